import json
from typing import Any

import jsonschema_rs
import pytest

from app.catalog import TABLES, catalog
from app.jobs.spec.optimizers import OPTIMIZERS


@pytest.mark.parametrize("kind", TABLES)
def test_every_component_has_its_schema(kind: str) -> None:
    entries = {entry["type"]: entry for entry in catalog()[kind]}
    assert set(entries) == set(TABLES[kind])
    for name, entry in entries.items():
        assert entry["schema"]["properties"]["type"] == {
            "const": name,
            "default": name,
            "title": "Type",
            "type": "string",
        }
        assert entry["schema"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("kind", "name", "good"),
    [
        ("models", "Sequential", {"layers": [{"type": "Linear", "out_features": 2}, {"type": "ReLU"}]}),
        ("models", "Graph", {"nodes": [{"name": "a", "type": "Add", "inputs": ["x", "x"]}], "output": "a"}),
        ("models", "Function", {"expression": "x", "initial": {"x": 1}, "initialization": [
            {"params": "x", "type": "normal_", "std": 0.1}]}),
        ("schedulers", "SequentialLR", {"milestones": [1], "schedulers": [
            {"type": "ChainedScheduler", "schedulers": [{"type": "ExponentialLR", "gamma": 0.9}]},
            {"type": "StepLR", "step_size": 2}]}),
    ],
)  # fmt: skip
def test_a_schema_looks_into_the_parts(kind: str, name: str, good: dict[str, Any]) -> None:
    schema = next(entry["schema"] for entry in json.loads(json.dumps(catalog()))[kind] if entry["type"] == name)
    validator = jsonschema_rs.validator_for(schema)
    validator.validate({"type": name, **good})
    text = json.dumps(good)
    for right, wrong in (('"type": ', '"typ": '), ("_", "__"), ('": ', 'x": '), ('", "type"', '", "more": 1, "type"')):
        if right in text:
            assert not validator.is_valid({"type": name, **json.loads(text.replace(right, wrong))}), wrong


def test_schemas_are_json_and_say_torchs_defaults() -> None:
    adam = next(entry for entry in json.loads(json.dumps(catalog()))["optimizers"] if entry["type"] == "Adam")
    properties = adam["schema"]["properties"]
    assert properties["lr"] == {"default": 0.001, "minimum": 0, "title": "Lr", "type": "number"}
    assert properties["betas"]["default"] == [0.9, 0.999]
    assert set(properties["groups"]["items"]["properties"]) == {
        *OPTIMIZERS["Adam"].model_fields.keys()
        - {"type", "groups", "fused", "foreach", "capturable", "differentiable"},
        "params",
    }
