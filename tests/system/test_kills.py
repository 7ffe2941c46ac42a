"""`kill -9` of each kind of process while a job runs: rows and weights are those of the run left alone."""

import json
import os
import signal
import time
from typing import Any

import pytest

from tests.system.conftest import EXAMPLES, Service

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

VICTIMS = {
    "trainer": lambda command: "worker.warm" in command,
    "celery": lambda command: "worker.celery_main" in command,
    "worker": lambda command: "worker.main" in command,
    "postgres": lambda command: "/postgres" in command and " -D " in command,
    "redis": lambda command: "redis-server" in command,
    "api": lambda command: "uvicorn" in command,
}
SAME = ("epoch", "train_loss", "validation_loss", "metrics", "learning_rates", "gradient_norm", "samples")


def spec() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((EXAMPLES / "digits-cnn-adam.json").read_text())
    document["training"]["epochs"] = 12
    document["scheduler"] = {"type": "CosineAnnealingLR", "T_max": 12}
    return document


@pytest.fixture(scope="module")
def undisturbed(service: Service) -> dict[str, Any]:
    job = service.ended(service.submit(spec())["id"])
    assert job["status"] == "succeeded", job["error"]
    return job


ELSEWHERE = ("celery", "api", "redis")  # which the storm and the moments kill as well: in make test-all and make faults


@pytest.mark.parametrize("victim", [pytest.param(v, marks=pytest.mark.slow if v in ELSEWHERE else ()) for v in VICTIMS])
def test_a_kill_changes_nothing(service: Service, undisturbed: dict[str, Any], victim: str) -> None:
    job_id = service.submit(spec())["id"]
    while service.job(job_id)["progress"]["epoch"] < 4:
        time.sleep(0.05)
    chosen = [pid for pid, command in service.processes().items() if VICTIMS[victim](command)]
    assert chosen, service.processes()
    os.kill(max(chosen) if victim == "trainer" else min(chosen), signal.SIGKILL)
    job = survived(service, job_id)
    assert job["status"] == "succeeded", job["error"]
    left_alone = service.epochs(undisturbed["id"])
    assert [{key: row[key] for key in SAME} for row in service.epochs(job_id)] == [
        {key: row[key] for key in SAME} for row in left_alone
    ]
    assert service.weights(job_id) == service.weights(undisturbed["id"])


def survived(service: Service, job_id: str) -> dict[str, Any]:
    """The job's end, over a connection that may be gone for a while."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        try:
            job = service.job(job_id)
            if job["finished_at"] is not None:
                return job
        except Exception:  # the API or its database is on its way back
            pass
        time.sleep(0.2)
    raise AssertionError(f"{job_id} did not end: {service.job(job_id)}")
