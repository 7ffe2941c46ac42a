"""A job run by the engine, and what is handed out of it run alone."""

import atexit
import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from subprocess import PIPE
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from app.datasets.stored import Known
from app.jobs.spec import resolve, validate
from worker import data, training
from worker.datasets.uploaded import sources_of
from worker.datasets.vectors import prepare_vectors
from worker.training.requests import Requests
from worker.translate import engine_config, resolution_of

CLOCK = {"type", "duration_seconds", "samples_per_second", "finished_at"}
NURSERY = """
import json, os, runpy, sys, traceback
from importlib.abc import MetaPathFinder

class Refused(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"app", "worker", "descent", "safetensors", "pydantic"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refused())
import torch, torch._dynamo

for line in sys.stdin:
    folder, *arguments = json.loads(line)
    pid = os.fork()
    if pid == 0:
        os.chdir(folder)
        sys.path.insert(0, ".")
        sys.argv = arguments
        for name, number in (("stdout", 1), ("stderr", 2)):
            os.dup2(os.open(f".{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        status = 0
        try:
            runpy.run_path(arguments[0], run_name="__main__")
        except SystemExit as stop:
            status = int(bool(stop.code))
            print(stop.code, file=sys.stderr)
        except BaseException:
            status = 1
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@dataclass
class Ran:
    """A job as the engine trained it: its rows (the last of each epoch and step), its end, its weights."""

    resolved: dict[str, Any]
    resolution: Any
    config: dict[str, Any]
    prepared: dict[str, Any] | None
    rows: list[dict[str, Any]]
    steps: list[dict[str, Any]]
    end: dict[str, Any]
    checkpoint: Path
    reports: list[dict[str, Any]]

    @property
    def events(self) -> list[str]:
        return [report["event"] for report in self.reports if report["type"] == "event"]

    @property
    def weights(self) -> dict[str, Tensor]:
        return {k.removeprefix("model."): t for k, t in load_file(self.checkpoint).items() if k.startswith("model.")}


def run(
    document: dict[str, Any],
    folder: Path,
    known: Known | None = None,
    *,
    origin: Ran | None = None,
    weights_of: Any = None,
    stops: tuple[int, ...] = (),
) -> Ran:
    """By the engine, in this process. `origin`: the job it is forked from. It is drained and taken up at `stops`."""
    known = known or Known()
    resolved = resolve(validate(document), known.facts_of)
    spec = validate(resolved)
    sources = sources_of(known, folder)
    prepared = data.prepare(spec, folder, facts_of=known.facts_of, source_of=sources, contents=known.contents())
    resolution = resolution_of(resolved, prepared, known.facts_of, weights_of)
    vectors = prepare_vectors(spec, prepared, folder, known)
    if vectors is not None:
        resolution.model_config["vectors"] = {"file": vectors}
    order: dict[str, Any] = {"job": "job_x", "directory": str(folder / "job"), "spec_sha256": ""}
    order["fork"] = None if origin is None else {"path": str(origin.checkpoint), "sha256": None}
    reports: list[dict[str, Any]] = []
    for attempt, stop in enumerate([*stops, None], start=1):
        written = [report for report in reports if report["type"] == "checkpoint"]
        order |= {"attempt": attempt, "resume": {"path": written[-1]["path"]} if written else None}
        config = engine_config(resolution, data=prepared, run=order)
        requests = Requests()

        def report(message: dict[str, Any], stop: int | None = stop, requests: Requests = requests) -> None:
            reports.append(message)
            if message["type"] == "epoch" and message["epoch"] == stop:
                requests.wanted = "drain"

        training.run(json.loads(json.dumps(config)), report, requests)
        assert reports[-1]["outcome"] == ("succeeded" if stop is None else "stopped"), reports[-1]
    last = [report["path"] for report in reports if report["type"] == "checkpoint"][-1]
    rows, steps = ([*newest(reports, kind).values()] for kind in ("epoch", "step"))
    path = folder / "job" / last
    rows = [{key: value for key, value in row.items() if key != "step"} for row in rows]  # as the API has them
    return Ran(resolved, resolution, config, prepared, rows, steps, words(reports[-1]), path, reports)


def newest(reports: list[dict[str, Any]], kind: str) -> dict[int, dict[str, Any]]:
    """The rows of a kind by number, each as it was last reported."""
    found = {report[kind]: report for report in reports if report["type"] == kind}
    return {number: words({k: v for k, v in row.items() if k not in CLOCK}) for number, row in found.items()}


def words(row: Any) -> Any:
    """As JSON has it: words for the numbers that are not finite."""
    return json.loads(json.dumps(row), parse_constant=str)


@cache
def nursery() -> subprocess.Popen[str]:
    """A process that has torch and never had anything of Descent: each script runs in a fresh fork of it."""
    process = subprocess.Popen([sys.executable, "-I", "-c", NURSERY], stdin=PIPE, stdout=PIPE, text=True)
    atexit.register(process.kill)
    return process


def alone(folder: Path, *arguments: str) -> str:
    """What a script in a folder prints, run with torch and scikit-learn but without anything of Descent."""
    process = nursery()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps([str(folder), *arguments]) + "\n")
    process.stdin.flush()
    status = process.stdout.readline().strip()
    assert status == "0", (folder / ".stderr").read_text()[-3000:]
    return (folder / ".stdout").read_text()
