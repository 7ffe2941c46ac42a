"""Small documents that tests change in one place."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.datasets.builtin import builtin_facts
from app.datasets.facts import Facts

EXAMPLES = Path(__file__).parents[3] / "examples"

IRIS: dict[str, Any] = {
    "name": "iris",
    "seed": 0,
    "data": {"dataset": "iris", "split": {"train": 0.8, "validation": 0.1, "test": 0.1}},
    "model": {"type": "MLP", "hidden": [16]},
    "loss": {"type": "CrossEntropyLoss"},
    "optimizer": {"type": "SGD", "lr": 0.1},
    "training": {"epochs": 10, "batch_size": 24},
    "metrics": ["accuracy"],
}

FUNCTION: dict[str, Any] = {
    "model": {"type": "Function", "expression": "4 * x ** 2", "initial": {"x": 2.0}},
    "optimizer": {"type": "SGD", "lr": 0.1},
    "training": {"epochs": 10},
}


def changed(document: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy with the values at JSON pointers set; `...` takes a key away."""
    result = copy.deepcopy(document)
    for pointer, value in changes.items():
        *path, last = pointer.removeprefix("/").split("/")
        target: Any = result
        for part in path:
            target = target[int(part)] if isinstance(target, list) else target.setdefault(part, {})
        key: Any = int(last) if isinstance(target, list) else last
        if value is ...:
            del target[key]
        else:
            target[key] = value
    return result


def example_specs() -> dict[str, dict[str, Any]]:
    """Every job of examples/, and the spec inside every sweep, by file name."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted(EXAMPLES.glob("*.json"))}
    return {name: document.get("spec", document) for name, document in found.items()}


# What stands where an example says "ds_REPLACE…".
UPLOADS = {
    "ds_REPLACE_WITH_UPLOADED_IDX": Facts(
        100, (1, 28, 28), "uint8", 10, class_counts=(10,) * 10, reference="ds_REPLACE_WITH_UPLOADED_IDX"
    ),
    "ds_REPLACE_WITH_UPLOADED_JSON_LINES": Facts(
        50, (), "text", 2, class_counts=(25, 25), reference="ds_REPLACE_WITH_UPLOADED_JSON_LINES"
    ),
}


def facts_of(reference: str, columns: Mapping[str, Any] | None = None, /) -> Facts:
    """Facts of built-in sets and of the uploads that examples name."""
    return UPLOADS.get(reference) or builtin_facts(reference, columns)
