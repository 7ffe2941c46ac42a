"""Everything a spec may name, with a JSON Schema from the classes that validate it."""

from copy import deepcopy
from functools import cache, lru_cache
from typing import Any

from app.datasets.builtin import BUILTIN
from app.jobs.spec.augment import AUGMENTATIONS
from app.jobs.spec.base import Component, Table
from app.jobs.spec.data import DATASETS
from app.jobs.spec.graph import NODES
from app.jobs.spec.initialization import INITIALIZERS
from app.jobs.spec.layers import LAYERS
from app.jobs.spec.losses import LOSSES
from app.jobs.spec.metrics import METRICS
from app.jobs.spec.model import Model
from app.jobs.spec.models import MODELS
from app.jobs.spec.optimizer import Optimizer
from app.jobs.spec.optimizers import OPTIMIZERS
from app.jobs.spec.preprocess import PREPROCESSORS
from app.jobs.spec.ready_made import ACTIVATION_TABLE
from app.jobs.spec.schedulers import SCHEDULERS

TABLES: dict[str, Table] = {
    "optimizers": OPTIMIZERS,
    "schedulers": SCHEDULERS,
    "models": MODELS,
    "layers": LAYERS,
    "losses": LOSSES,
    "metrics": METRICS,
    "preprocessors": PREPROCESSORS,
    "augmentations": AUGMENTATIONS,
    "initializers": INITIALIZERS,
    "datasets": DATASETS,
}
# By their names, of which no two tables have the same.
BY_NAMES = {tuple(table): table for table in (*TABLES.values(), NODES, ACTIVATION_TABLE)}


@lru_cache(maxsize=1)
def catalog() -> dict[str, Any]:
    """`{"object": "catalog", "optimizers": [{"type", "description", "schema"}], ...}`; built once."""
    kinds = {kind: [_entry(cls) for cls in table.values()] for kind, table in TABLES.items()}
    builtin = [
        {"name": name, "samples": f.samples, "shape": f.shape, "classes": f.classes} for name, f in BUILTIN.items()
    ]
    return {"object": "catalog", **kinds, "builtin_datasets": builtin}


def _entry(cls: type[Component]) -> dict[str, Any]:
    schema = deepcopy(_plain(cls))
    description = schema.pop("description", "") if cls.__doc__ in (None, schema.get("description")) else ""
    entry = {"type": cls.model_fields["type"].default, "description": _own_words(cls) or description, "schema": schema}
    if issubclass(cls, Optimizer):
        _describe_groups(cls, schema)
    _spell_out(schema, schema)
    if issubclass(cls, Model):
        entry["parameters"] = cls.parameter_names
    return entry


@cache
def _plain(cls: type[Component]) -> dict[str, Any]:
    return cls.model_json_schema()


def _own_words(cls: type[Component]) -> str:
    """The class's own docstring, not one that it inherits."""
    return (cls.__dict__.get("__doc__") or "").strip()


def _describe_groups(cls: type[Optimizer], schema: dict[str, Any]) -> None:
    if not cls.takes_groups:
        schema["properties"]["groups"] |= {"maxItems": 0}
        return
    own = {key: schema["properties"][key] for key in cls.group_keys()}
    pattern = {"type": "string", "maxLength": 200, "description": "RE2, over a parameter's whole name"}
    schema["properties"]["groups"]["items"] = {
        "type": "object",
        "properties": {"params": pattern, **own},
        "required": ["params"],
        "additionalProperties": False,
    }


def _spell_out(part: Any, root: dict[str, Any]) -> None:
    """In place of a table's names, references to the schemas of its components, which come to stand in `$defs`."""
    for value in list(part.values()) if isinstance(part, dict) else part if isinstance(part, list) else ():
        _spell_out(value, root)
    names = part.get("properties", {}).get("type", {}) if isinstance(part, dict) else {}
    table = BY_NAMES.get(tuple(names.get("enum", ()))) if isinstance(names, dict) else None
    if table is not None:
        del part["properties"], part["type"], part["required"]
        part["anyOf"] = [{"$ref": f"#/$defs/{_defined(cls, root)}"} for cls in table.values()]


def _defined(cls: type[Component], root: dict[str, Any]) -> str:
    definitions = root.setdefault("$defs", {})
    if cls.__name__ not in definitions:
        schema = deepcopy(_plain(cls))
        inner = schema.pop("$defs", {})
        definitions |= {name: found for name, found in inner.items() if name not in definitions}
        definitions[cls.__name__] = schema  # before its parts: a scheduler may hold its own kind
        _spell_out(schema, root)
    return cls.__name__
