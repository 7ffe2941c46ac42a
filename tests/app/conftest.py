"""The real API in this process, on a real database and broker, with keys of two projects."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.database import get_engine
from app.ids import new_id
from app.jobs.journal import notify, record_event, take_seqs
from app.main import create_app
from app.models import ApiKey, Epoch, Job, Project, Worker
from app.previews import service as previews
from app.projects.principals import remembered
from app.projects.service import create_key, key_id

SPEC: dict[str, Any] = {
    "name": "iris",
    "metadata": {"team": "a"},
    "data": {"dataset": "iris", "split": {"train": 120, "validation": 30}},
    "model": {"type": "MLP", "hidden": [16]},
    "loss": {"type": "CrossEntropyLoss"},
    "optimizer": {"type": "Adam", "lr": 0.02},
    "training": {"epochs": 4, "batch_size": 24},
    "metrics": ["accuracy"],
}


@dataclass
class Api:
    """A client with a key for one project."""

    client: TestClient
    key: str
    project_id: str

    def request(self, method: str, path: str, **options: Any) -> Any:
        headers = {"authorization": f"Bearer {self.key}"} | options.pop("headers", {})
        return self.client.request(method, path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> Any:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> Any:
        return self.request("POST", path, **options)

    def submit(self, **changes: Any) -> dict[str, Any]:
        reply = self.post("/v1/jobs", json=SPEC | changes)
        assert reply.status_code == 201, reply.text
        job: dict[str, Any] = reply.json()
        return job


@pytest.fixture
def client(database: str, broker: str, store: Path) -> Iterator[TestClient]:
    remembered.clear()
    previews.remembered.clear()
    with TestClient(create_app()) as opened:
        yield opened
    for engine in (get_engine("descent_api", pool_size=20), get_engine()):
        engine.dispose()


@contextmanager
def served() -> Iterator[str]:
    """The API on a port of this machine: its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(create_app(), log_config=None, timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def address(client: TestClient) -> Iterator[str]:
    """Real HTTP, for replies that are read while they are written."""
    with served() as url:
        yield url


@pytest.fixture
def make_api(client: TestClient, session: Session) -> Callable[..., Api]:
    def make(name: str = "one", scopes: tuple[str, ...] = ("read", "write", "admin"), everywhere: bool = False) -> Api:
        project_id = session.scalar(select(Project.id).where(Project.name == name))
        if project_id is None:
            project_id = new_id("prj")
            session.add(Project(id=project_id, name=name))
        key = create_key(session, name, scopes or ("read",), None if everywhere else [project_id])
        if not scopes:
            session.execute(update(ApiKey).where(ApiKey.id == key_id(key)).values(scopes=[]))
        session.commit()
        return Api(client, key, project_id)

    return make


@pytest.fixture
def api(make_api: Callable[..., Api]) -> Api:
    return make_api()


@pytest.fixture
def run_job(session: Session) -> Callable[..., None]:
    """Put a queued job into a worker's hands, as a claim does."""

    def run(job_id: str) -> None:
        values = {"status": "running", "attempt": 1, "worker_id": "wrk_1", "lease_until": "2100-01-01T00:00:00Z"}
        session.execute(update(Job).where(Job.id == job_id).values(**values))
        record_event(session, job_id, "started", "The job runs.")
        session.commit()

    return run


@pytest.fixture
def end_job(session: Session) -> Callable[..., None]:
    def end(job_id: str, status: str = "succeeded") -> None:
        values = {"status": status, "worker_id": None, "lease_until": None, "version": Job.version + 1}
        session.execute(update(Job).where(Job.id == job_id).values(**values))
        notify(session, job_id)
        session.commit()

    return end


@pytest.fixture
def add_epoch(session: Session) -> Callable[..., int]:
    """Commit an epoch row; its seq."""

    def add(job_id: str, epoch: int, **values: Any) -> int:
        seq = take_seqs(session, job_id)
        project_id = session.execute(select(Job.project_id).where(Job.id == job_id)).scalar_one()
        row = {
            "attempt": 1,
            "phase": 0,
            "train_loss": 1 / epoch,
            "validation_loss": 0.1 + 0.2,
            "metrics": {"train_accuracy": 0.5},
            "learning_rates": [0.02],
            "gradient_norm": 1.5,
            "samples": 120,
            "duration_seconds": 0.5,
            "samples_per_second": 240.0,
        }
        session.add(Epoch(job_id=job_id, epoch=epoch, project_id=project_id, seq=seq, **row | values))
        session.flush()
        notify(session, job_id)
        session.commit()
        return seq

    return add


@pytest.fixture
def add_worker(session: Session) -> Callable[..., str]:
    def add(queue: str = "cpu", **values: Any) -> str:
        worker_id = new_id("wrk")
        row: dict[str, Any] = {"host": "h", "pid": 1, "device": queue, "slots": 2, "labels": [], "state": "active"}
        session.add(Worker(id=worker_id, queue=queue, **row | values))
        session.commit()
        return worker_id

    return add
