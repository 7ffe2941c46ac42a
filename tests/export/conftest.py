"""A job run by the engine, and what is handed out of it run alone."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.datasets.stored import Known
from app.jobs.spec import resolve, validate
from worker import data, training
from worker.training.requests import Requests
from worker.translate import engine_config, resolution_of

CLOCK = {"type", "duration_seconds", "samples_per_second", "finished_at"}
GUARD = """
import runpy, sys
from importlib.abc import MetaPathFinder

class Refused(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"app", "worker", "descent", "safetensors", "pydantic", "torchmetrics"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refused())
sys.path.insert(0, ".")
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@dataclass
class Ran:
    """A job, its rows as the engine reported them, and its last checkpoint."""

    resolved: dict[str, Any]
    resolution: Any
    config: dict[str, Any]
    prepared: dict[str, Any] | None
    rows: list[dict[str, Any]]
    checkpoint: Path


def run(document: dict[str, Any], folder: Path, known: Known | None = None) -> Ran:
    """By the engine, in this process."""
    known = known or Known()
    resolved = resolve(validate(document), known.facts_of)
    prepared = data.prepare(validate(resolved), folder, facts_of=known.facts_of, source_of=_sources(known, folder))
    resolution = resolution_of(resolved, prepared, known.facts_of, None)
    order = {"job": "job_x", "attempt": 1, "directory": str(folder / "job"), "resume": None, "spec_sha256": ""}
    config = engine_config(resolution, data=prepared, run=order)
    reports: list[dict[str, Any]] = []
    training.run(json.loads(json.dumps(config)), reports.append, Requests())
    assert reports[-1]["outcome"] == "succeeded", reports[-1]
    rows = [
        {key: value for key, value in report.items() if key not in CLOCK}
        for report in reports
        if report["type"] == "epoch"
    ]
    last = [report["path"] for report in reports if report["type"] == "checkpoint"][-1]
    return Ran(resolved, resolution, config, prepared, json.loads(json.dumps(rows)), folder / "job" / last)


def _sources(known: Known, folder: Path) -> Any:
    from worker.datasets.uploaded import sources_of

    return sources_of(known, folder)


def alone(folder: Path, *arguments: str) -> str:
    """What a script in a folder prints, run with torch and scikit-learn but without anything of Descent."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", GUARD, *arguments], cwd=folder, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
