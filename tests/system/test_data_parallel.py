"""A job over two processes through the whole service: one of them is killed, and nothing of the run shows it."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.system.conftest import EXAMPLES, Service
from tests.system.test_kills import SAME

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]


def spec() -> dict[str, Any]:
    document: dict[str, Any] = json.loads((EXAMPLES / "digits-cnn-data-parallel.json").read_text())
    document["training"]["epochs"] = 5
    return document


def follower(service: Service) -> int | None:
    """The process that a trainer has forked: parent, grandparent and itself come from the warm parent."""
    warm = {pid for pid, command in service.processes().items() if "worker.warm" in command}
    parents = {pid: parent_of(pid) for pid in warm}
    return next((pid for pid in warm if parents[pid] in warm and parents.get(parents[pid]) in warm), None)


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@pytest.mark.slow
def test_a_lost_process_is_a_lost_attempt(service: Service) -> None:
    undisturbed = service.ended(service.submit(spec())["id"])
    assert undisturbed["status"] == "succeeded", undisturbed["error"]
    job_id = service.submit(spec())["id"]
    while service.job(job_id)["progress"]["epoch"] < 2:
        time.sleep(0.05)
    found = follower(service)
    assert found is not None, service.processes()
    os.kill(found, signal.SIGKILL)
    job = service.ended(job_id)
    assert (job["status"], job["attempt"]) == ("succeeded", 2), job["error"]
    mine, theirs = ([{key: row[key] for key in SAME} for row in service.epochs(j["id"])] for j in (job, undisturbed))
    assert mine == theirs
    assert service.weights(job_id) == service.weights(undisturbed["id"])
