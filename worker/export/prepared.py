"""What a model needs of its data once it is trained: kept beside the job's checkpoints, as data may go."""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from safetensors import safe_open

from app.datasets.builtin import BUILTIN
from app.datasets.facts import FactsOf, UnknownDataset
from app.datasets.selection import select
from app.datasets.stored import Known
from app.jobs.spec import JobSpec, validate
from app.jobs.spec.preprocess import Tokenize

NAME = "prepared.json"
Prepared = dict[str, Any]
"""{"model": the engine's, "loss", "steps": [fitted], "columns", "categories", "levels", "classes", "vocabulary"}"""


def prepared_of(resolved: dict[str, Any], config: dict[str, Any], known: Known) -> Prepared:
    """From the engine's config and the tensor file that it names."""
    spec = validate(resolved)
    model = {key: value for key, value in config["model"].items() if key not in ("initialization", "initial_weights")}
    found: Prepared = {"model": model, "loss": spec.loss.type if spec.loss is not None else None}
    found |= {
        "steps": [],
        "columns": [],
        "categories": {},
        "levels": {},
        "classes": class_names(spec, known),
        "vocabulary": None,
    }
    file = (config["data"] or {}).get("file")
    if spec.data is None or file is None:
        return found
    found |= columns_of(spec, known.facts_of)
    with safe_open(file, framework="pt") as tensors:
        names = set(tensors.keys())
        found["vocabulary"] = json.loads(tensors.metadata()["descent"]).get("vocabulary")
        for index, step in enumerate(spec.data.preprocess):
            fitted = {
                name.split(".", 2)[2]: tensors.get_tensor(name).tolist()
                for name in sorted(names)
                if name.startswith(f"fitted.{index}.")
            }
            found["steps"].append({**step.model_dump(mode="json"), **fitted})
    return found


def columns_of(spec: JobSpec, facts_of: FactsOf) -> dict[str, Any]:
    """Names of a table's columns, and the values of those that are text."""
    assert spec.data is not None
    dataset = spec.data.dataset
    reference = dataset if isinstance(dataset, str) else getattr(dataset, "train", None)
    if not isinstance(reference, str) or any(isinstance(step, Tokenize) for step in spec.data.preprocess):
        return {}
    columns = spec.data.columns.model_dump(exclude_none=True) if spec.data.columns is not None else None
    facts = facts_of(reference, columns)
    listed = {"categories": facts.categories, "levels": facts.levels}
    return {"columns": list(facts.columns)} | {k: {n: list(v) for n, v in kept.items()} for k, kept in listed.items()}


def class_names(spec: JobSpec, known: Known) -> list[Any] | None:
    """What each class is called, where it has a name."""
    if spec.data is None or spec.loss is None or spec.loss.target in ("number", "labels"):
        return None
    dataset = spec.data.dataset
    reference = dataset if isinstance(dataset, str) else getattr(dataset, "train", None)
    if not isinstance(reference, str):
        return None
    if reference in BUILTIN:
        from sklearn import datasets  # half a second, which the data has paid for already

        names = getattr(datasets, f"load_{reference}")().get("target_names")
        return None if names is None else [str(name) for name in names]
    with suppress(UnknownDataset):
        columns = spec.data.columns.model_dump(exclude_none=True) if spec.data.columns is not None else None
        return cast(list[Any] | None, select(known.find(reference)["train"].description, columns).class_values)
    return None


def keep(directory: Path, resolved: dict[str, Any], config: dict[str, Any], known: Known) -> None:
    """Beside the checkpoints; a job that goes on has it already."""
    path = directory / NAME
    if path.exists():
        return
    directory.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{NAME}-{os.getpid()}")
    temporary.write_text(json.dumps(prepared_of(resolved, config, known)))
    os.replace(temporary, path)
