"""The questions of export and bundle, as the previews worker answers them."""

import json
from pathlib import Path
from typing import Any

from app.blobs import blob_path
from app.datasets.stored import Known
from app.jobs.spec import SpecError, validate
from app.settings import get_settings
from worker import data
from worker.datasets.uploaded import sources_of
from worker.datasets.vectors import prepare_vectors
from worker.export import fork
from worker.export.bundle import model_script
from worker.export.prepared import NAME, Prepared, prepared_of
from worker.export.script import training_script
from worker.resolve import Resolution
from worker.training.config import Config
from worker.training.errors import CheckpointCorrupt
from worker.translate import engine_config, resolution_of
from worker.weights import weights_in


def export(payload: dict[str, Any]) -> dict[str, Any]:
    """{"script", "files": {name: path below the store}} of a resolved spec. Raises SpecError for what has no script."""
    store = get_settings().store_path.resolve()
    resolution, prepared = made(payload, store)
    start = started(payload.get("origin"), resolution, prepared, store)
    ended = {key: payload[key] for key in ("last_step", "last_epoch", "rollbacks") if key in payload}
    exported = training_script(resolution, prepared, payload["title"], start, **ended)
    files = {name: str(Path(path).resolve().relative_to(store)) for name, path in exported.files.items()}
    return {"script": exported.script, "files": files}


def started(
    sha256: str | None, resolution: Resolution, prepared: dict[str, Any] | None, store: Path
) -> fork.Start | None:
    """What the job takes over of the checkpoint that it was forked from. Raises SpecError where that is gone."""
    if sha256 is None:
        return None
    config = Config.parse(engine_config(resolution, data=prepared, run={}))
    try:
        return fork.start_of(config, resolution.work.steps_per_epoch, blob_path(store, sha256), sha256, store)
    except CheckpointCorrupt as error:
        raise SpecError([{"pointer": "", "detail": f"the checkpoint that the job was forked from: {error}"}]) from None


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
    fitted = {key: prepared.get(key, {}) for key in ("steps", "columns", "categories", "levels")}
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
    resolution = resolution_of(payload["resolved_spec"], prepared, known.facts_of, weights_of)
    vectors = prepare_vectors(spec, prepared, store, known)
    if vectors is not None:
        resolution.model_config["vectors"] = {"file": vectors}
    return resolution, prepared
