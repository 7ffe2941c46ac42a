"""The README of a bundle."""

from typing import Any

from app.jobs.repository import Row


def text(job: Row, checkpoint: Row, found: dict[str, Any]) -> str:
    """What is in the archive and how it is used."""
    values = ", ".join(f"{name} {value}" for name, value in checkpoint["values"].items())
    vocabulary = "- `vocabulary.json`: token number i is the i-th\n" if found["vocabulary"] is not None else ""
    predicts = (
        "\nprint(predict(model, samples))  # as the data set had them" if "def predict(" in found["model"] else ""
    )
    imported = "load, predict" if predicts else "load"
    return f"""# {job["id"]}, checkpoint {checkpoint["id"]}

After epoch {checkpoint["epoch"]}, step {checkpoint["step"]}: {values or "no values yet"}.

```python
from model import {imported}

model = load(){predicts}
```

- `model.py`: needs torch alone: `load`, and for a model of data `preprocess` and `predict`
- `weights.safetensors`: the model's `state_dict`
- `fitted.json`: the preprocessing with what was fitted on the training part, in float64
- `classes.json`: what each class is called; null where classes have no names
{vocabulary}- `spec.json`: the resolved spec
- `rows.csv`: the job's epochs
"""
