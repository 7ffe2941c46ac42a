"""What is taken, the published schemas take: of whole specs, and of each component by the catalog."""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema_rs
import pytest

from app.catalog import catalog
from app.jobs.spec import JobSpec, resolve, validate
from tests.app.spec.documents import example_specs, facts_of
from tests.training.test_models import IMAGENET, READY_MADE
from tests.worker.test_spec_guide import EXAMPLES
from worker.training import models

DOCUMENTS = {**example_specs(), **{f"guide-{number}": document for number, document in enumerate(EXAMPLES)}}
LISTS = {"preprocess": "preprocessors", "augment": "augmentations"}


@cache
def schema_of(kind: str, name: str) -> Any:
    entry = next(entry for entry in json.loads(json.dumps(catalog()))[kind] if entry["type"] == name)
    return jsonschema_rs.validator_for(entry["schema"])


@cache
def whole() -> Any:
    return jsonschema_rs.validator_for(JobSpec.model_json_schema())


def components(spec: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(kind, component) of everything in a spec that the catalog knows."""
    model, data = spec["model"], spec.get("data") or {}
    yield "models", model
    yield from (("layers", layer) for layer in model.get("layers", []))
    yield from (("initializers", entry) for entry in model.get("initialization", []))
    if spec.get("loss"):
        yield "losses", spec["loss"]
    for stage in spec.get("phases") or [spec]:
        if stage.get("optimizer"):
            yield "optimizers", stage["optimizer"]
        if stage.get("scheduler"):
            yield from (("schedulers", one) for one in nested(stage["scheduler"]))
    yield from (("metrics", metric) for metric in spec.get("metrics", []) if isinstance(metric, dict))
    for key, kind in LISTS.items():
        yield from ((kind, step) for step in data.get(key, []))
    if isinstance(data.get("dataset"), dict) and "type" in data["dataset"]:
        yield "datasets", data["dataset"]


def nested(scheduler: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield scheduler
    for inner in scheduler.get("schedulers", []):
        yield from nested(inner)


def accepts(document: dict[str, Any]) -> None:
    whole().validate(document)
    for kind, component in components(document):
        try:
            schema_of(kind, component["type"]).validate(component)
        except jsonschema_rs.ValidationError as error:
            raise AssertionError(f"{kind} {component}: {error}") from None


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_is_taken_the_schemas_take(name: str) -> None:
    document = DOCUMENTS[name]
    spec = validate(document)
    accepts(document)
    if not name.startswith("guide"):
        accepts(resolve(spec, facts_of))


def test_they_refuse_what_is_misspelt() -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        schema_of("optimizers", "Adam").validate({"type": "Adam", "lrr": 0.1})
    with pytest.raises(jsonschema_rs.ValidationError):
        schema_of("optimizers", "Adam").validate({"type": "Adam", "lr": -1})


def named(pattern: str) -> re.Pattern[str]:
    """A name of the catalog as a pattern: `{i}` is a number, `{1-4}` a range, `{a,b}` one of several."""
    expression = re.sub(r"\{(\d)-(\d)\}", r"[\1-\2]", pattern.replace(".", r"\.")).replace("{i}", r"\d+")
    return re.compile(re.sub(r"\{([\w,]+)\}", lambda found: f"({found[1].replace(',', '|')})", expression))


def test_the_catalog_names_the_parameters_of_ready_made_models() -> None:
    """All of them, and no others."""
    built: dict[str, list[str]] = {}
    bottleneck = {"type": "ResNet", "depth": 50, "width": 4}
    for config, facts, *_ in [*READY_MADE, (bottleneck, IMAGENET)]:
        full = models.complete(config, facts)
        built[config["type"]] = [*built.get(config["type"], ()), *models.parameter_names(full)]
    assert len(built) == 6
    for entry in catalog()["models"]:
        names, patterns = built.get(entry["type"]), [named(pattern) for pattern in entry["parameters"]]
        if names is not None:
            assert [name for name in names if not any(pattern.fullmatch(name) for pattern in patterns)] == []
            assert [p.pattern for p in patterns if not any(p.fullmatch(name) for name in names)] == []
