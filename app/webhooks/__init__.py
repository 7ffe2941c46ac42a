"""Webhooks: what happens in a project, told to its receivers in the form of Standard Webhooks."""
