import json

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
