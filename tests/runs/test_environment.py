"""Going on elsewhere: told and marked, or not at all."""

import signal

import pytest

from tests.worker.conftest import Workers, example, submit

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]


def restart_elsewhere(workers: Workers) -> None:
    """A worker whose torch uses other instructions: its numbers may be others."""
    workers.processes[0].send_signal(signal.SIGTERM)
    workers.processes.pop(0).wait(60)
    workers.environment["ATEN_CPU_CAPABILITY"] = "default"
    workers.start()


@pytest.mark.slow
def test_rows_of_another_environment_are_marked(workers: Workers) -> None:
    workers.start()
    job_id = submit(example("digits-mlp-muon", 25))
    workers.trained(job_id, 3)
    restart_elsewhere(workers)
    assert workers.ended(job_id)["status"] == "succeeded"
    differs = workers.rows("SELECT data FROM event WHERE job_id = %s AND type = 'environment_differs'", job_id)
    assert [row["data"]["differs"] for row in differs] == [["cpu_capability"]]
    rows = workers.rows("SELECT epoch, attempt, extra FROM epoch WHERE job_id = %s ORDER BY epoch", job_id)
    marks = [(row["attempt"], (row["extra"] or {}).get("environment_differs", False)) for row in rows]
    assert set(marks) == {(1, False), (2, True)}
    environments = workers.rows("SELECT environment FROM attempt WHERE job_id = %s ORDER BY attempt", job_id)
    assert environments[1]["environment"]["cpu_capability"] == "DEFAULT"


@pytest.mark.slow
def test_a_job_waits_for_its_environment(workers: Workers) -> None:
    workers.start()
    job_id = submit(example("digits-mlp-muon", 25, resources={"resume_on": "same_environment"}))
    workers.trained(job_id, 3)
    restart_elsewhere(workers)
    workers.until(lambda: (workers.job(job_id)["waiting"] or {}).get("reason") == "environment")
    job = workers.job(job_id)
    assert (job["status"], job["failures"], job["attempt"]) == ("queued", 0, 2)
    assert "cpu_capability" in job["waiting"]["detail"]
    attempts = job["attempt"]
    del workers.environment["ATEN_CPU_CAPABILITY"]
    workers.start()
    assert workers.ended(job_id)["status"] == "succeeded"
    assert workers.job(job_id)["attempt"] == attempts + 1  # the other worker did not try again
