"""The fence is what keeps a zombie from writing: with it nothing happens, and without it the checker finds it out."""

import os
import signal
from pathlib import Path

import psycopg
import pytest

from tests.faults.invariants import Accepted, Evidence, Golden, violations, weights_sha256
from tests.worker.conftest import Workers, example, submit, workers

__all__ = ["workers"]

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

INJECT = Path(__file__).parent / "inject"
EPOCHS = 1500


@pytest.mark.parametrize("fence", [pytest.param("on", marks=pytest.mark.slow), "off"])
def test_a_zombie_wakes_up_after_its_lease(workers: Workers, store: Path, fence: str) -> None:
    workers.environment |= {"DESCENT_LEASE_SECONDS": "2", "DESCENT_POLL_SECONDS": "1"}
    if fence == "off":
        workers.environment |= {"PYTHONPATH": str(INJECT), "FAULTS_INJECT": "fence_off"}
    spec = example("iris-mlp-adam", EPOCHS, checkpoint={"every_epochs": 100})
    workers.start("--slots", "cpu=1")
    job_id = submit(spec)
    workers.trained(job_id, 20)
    zombie = workers.pid("worker.celery_main")
    os.kill(zombie, signal.SIGSTOP)
    try:
        workers.start("--slots", "cpu=2")
        alone = submit(spec)
        second = "SELECT 1 FROM epoch WHERE job_id = %s AND attempt > 1"
        workers.until(lambda: workers.rows(second, job_id))
    finally:
        os.kill(zombie, signal.SIGCONT)
    for one in (job_id, alone):
        assert workers.ended(one, 120)["status"] == "succeeded"
    with psycopg.connect(workers.database) as connection:
        evidence = Evidence(connection, store, [Accepted(job_id, "alone"), Accepted(alone, "alone")])
        golden = {"alone": Golden(evidence.rows(alone), weights_sha256(evidence, alone))}
        found = violations(evidence, golden)
    if fence == "on":
        assert found == []
    else:
        assert any(line.startswith("I4:") and job_id in line for line in found), found
