"""The questions of export and bundle, as the previews worker answers them."""

import json
from pathlib import Path
from typing import Any

from app.datasets.stored import Known
from app.jobs.spec import validate
from app.settings import get_settings
from worker import data
from worker.datasets.uploaded import sources_of
from worker.export.bundle import model_script
from worker.export.prepared import NAME, Prepared, prepared_of
from worker.export.script import training_script
from worker.resolve import Resolution
from worker.translate import engine_config, resolution_of
from worker.weights import weights_in


def export(payload: dict[str, Any]) -> dict[str, Any]:
    """{"script", "files": {name: path below the store}} of a resolved spec. Raises SpecError for what has no script."""
    store = get_settings().store_path.resolve()
    resolution, prepared = made(payload, store)
    exported = training_script(resolution, prepared, payload["title"])
    files = {name: str(Path(path).resolve().relative_to(store)) for name, path in exported.files.items()}
    return {"script": exported.script, "files": files}


def bundle(payload: dict[str, Any]) -> dict[str, Any]:
    """{"model": source of model.py, "fitted", "vocabulary", "classes"}: of what was kept, else made again."""
    store = get_settings().store_path.resolve()
    kept = store / "jobs" / payload["job_id"] / NAME
    if kept.is_file():
        prepared: Prepared = json.loads(kept.read_text())
    else:
        resolution, found = made(payload, store)
        config = engine_config(resolution, data=found, run={})
        prepared = prepared_of(payload["resolved_spec"], config, Known.from_json(payload["datasets"]))
    fitted = {key: prepared[key] for key in ("steps", "columns", "categories")}
    return {
        "model": model_script(prepared, payload["title"]),
        "fitted": fitted,
        "vocabulary": prepared["vocabulary"],
        "classes": prepared["classes"],
    }


def made(payload: dict[str, Any], store: Path) -> tuple[Resolution, dict[str, Any] | None]:
    """The spec as the trainer has it. Raises SpecError."""
    spec, known = validate(payload["resolved_spec"]), Known.from_json(payload["datasets"])
    sources = sources_of(known, store)
    prepared = data.prepare(spec, store, facts_of=known.facts_of, source_of=sources, contents=known.contents())
    weights_of = weights_in(payload.get("weights"), store)
    return resolution_of(payload["resolved_spec"], prepared, known.facts_of, weights_of), prepared
