"""A job as code that needs no Descent: the whole run as one plain train.py, a trained model as model.py.

Only source text is made here, from data that was checked before: every value goes through `code.literal`, every name
is an identifier.
"""
