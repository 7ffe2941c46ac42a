"""Jobs put straight into the queue, and real workers to train them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from sqlalchemy.orm import Session

from app.database import get_engine
from app.ids import new_id
from app.jobs.journal import record_event
from app.jobs.spec import builtin_facts, plan, resolve, spec_sha256, validate
from app.models import Job, Project
from app.queue import ring

EXAMPLES = Path(__file__).parents[2] / "examples"
ENDED = ("succeeded", "failed", "cancelled", "paused")


def example(name: str, epochs: int, **sections: Any) -> dict[str, Any]:
    """An example spec, shortened, with some sections put in its place."""
    document: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text())
    document["training"]["epochs"] = epochs
    document.pop("scheduler", None)
    return document | sections


def submit(document: dict[str, Any], *, project: str = "prj_a", ringing: bool = True, **columns: Any) -> str:
    """A queued job, as a submit leaves it; its id."""
    spec = validate(document)
    resolved = resolve(spec, builtin_facts)
    work = plan(spec, builtin_facts)
    job_id = new_id("job")
    values: dict[str, Any] = {
        "spec": document,
        "resolved_spec": resolved,
        "spec_sha256": spec_sha256(resolved),
        "seed": spec.seed,
        "queue": "cpu",
        "epochs": work.epochs,
        "progress": {"epoch": 0, "step": 0, "steps": work.steps, "phase": 0},
    }
    with Session(get_engine()) as session, session.begin():
        if session.get(Project, project) is None:
            session.add(Project(id=project, name=project))
            session.flush()
        session.add(Job(id=job_id, project_id=project, **values | columns))
        session.flush()
        record_event(session, job_id, "queued", "The job is in the queue.")
    if ringing:
        ring("cpu")
    return job_id


@dataclass
class Workers:
    """A worker host of its own in processes of its own, and the database as its owner sees it."""

    database: str
    environment: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "worker.main", *(arguments or ("--slots", "cpu=1"))]
        process = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.database, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(query.encode(), values).fetchall()

    def job(self, job_id: str) -> dict[str, Any]:
        return self.rows("SELECT * FROM job WHERE id = %s", job_id)[0]

    def epochs(self, job_id: str) -> list[tuple[Any, ...]]:
        """What must be equal for two runs of a spec."""
        columns = "epoch, train_loss, validation_loss, metrics, learning_rates, gradient_norm, samples"
        rows = self.rows(f"SELECT {columns} FROM epoch WHERE job_id = %s ORDER BY epoch", job_id)
        return [tuple(row.values()) for row in rows]

    def events(self, job_id: str) -> list[str]:
        return [row["type"] for row in self.rows("SELECT type FROM event WHERE job_id = %s ORDER BY seq", job_id)]

    def causes(self, job_id: str) -> list[str | None]:
        return [
            row["cause"] for row in self.rows("SELECT cause FROM attempt WHERE job_id = %s ORDER BY attempt", job_id)
        ]

    def until(self, condition: Callable[[], Any], seconds: float = 120) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, "waited too long"
            time.sleep(0.05)
        return found

    def ended(self, job_id: str, seconds: float = 120) -> dict[str, Any]:
        self.until(lambda: self.job(job_id)["status"] in ENDED, seconds)
        return self.job(job_id)

    def trained(self, job_id: str, epochs: int) -> None:
        """Wait until so many epochs have their rows."""
        count = "SELECT count(*) AS n FROM epoch WHERE job_id = %s"
        self.until(lambda: self.rows(count, job_id)[0]["n"] >= epochs)

    def pid(self, word: str) -> int:
        """The part of the first host whose command line has this word; `trainer` is the warm parent's child."""
        if word == "trainer":
            return self.until(lambda: children(self.pid("worker.warm")))[-1]  # type: ignore[no-any-return]
        mine = self.until(lambda: [pid for pid in children(self.processes[0].pid) if word in command_line(pid)])
        return mine[0]  # type: ignore[no-any-return]

    def kill(self, word: str, number: int = signal.SIGKILL) -> None:
        os.kill(self.processes[0].pid if word == "worker.main" else self.pid(word), number)

    def final_weights(self, job_id: str) -> bytes:
        """The model's tensors in the latest checkpoint."""
        query = "SELECT c.path FROM checkpoint c JOIN job j ON c.id = j.latest_checkpoint_id WHERE j.id = %s"
        content = (Path(self.environment["DESCENT_STORE_URL"]) / self.rows(query, job_id)[0]["path"]).read_bytes()
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        spans = {name: entry["data_offsets"] for name, entry in header.items() if name.startswith("model.")}
        data = content[8 + length :]
        return b"".join(data[slice(*spans[name])] for name in sorted(spans))


def children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


@pytest.fixture
def workers(service: dict[str, str], database: str) -> Iterator[Workers]:
    """A service without an API, its leases short enough to wait for."""
    environment = service | {"DESCENT_LEASE_SECONDS": "3", "DESCENT_POLL_SECONDS": "2"}
    found = Workers(database, environment)
    yield found
    for process in found.processes:
        process.send_signal(signal.SIGTERM)
    for process in found.processes:
        try:
            process.wait(90)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
