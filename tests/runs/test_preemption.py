"""Slots shared in time: whoever makes room loses nothing, and comes out as if it had never been asked."""

import time

import pytest

from tests.worker.conftest import Workers, example, submit

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

SLICE_SECONDS = 1.5


@pytest.mark.slow
def test_an_idle_project_starts_within_a_slice(workers: Workers) -> None:
    workers.environment["DESCENT_SLICE_SECONDS"] = str(SLICE_SECONDS)
    workers.start("--slots", "cpu=2")
    long = example("digits-cnn-adam", 60, checkpoint={"every_seconds": 600})
    both = [submit(long, project="prj_a") for _ in range(2)]
    for job_id in both:
        workers.trained(job_id, 2)
    time.sleep(SLICE_SECONDS)  # whoever would be asked has had its slice
    short = submit(example("iris-mlp-adam", 3), project="prj_b")
    workers.until(lambda: workers.job(short)["started_at"] is not None)
    assert workers.ended(short)["status"] == "succeeded"
    jobs = [workers.ended(job_id, 400) for job_id in both]
    assert [(job["status"], job["failures"]) for job in jobs] == [("succeeded", 0)] * 2
    preempted = [job_id for job_id in both if "preempted" in workers.events(job_id)]
    assert len(preempted) == 1  # the other one is the run left alone
    assert workers.causes(preempted[0])[0] == "preempted"
    repeated = "SELECT steps_repeated FROM attempt WHERE job_id = %s AND attempt = 2"
    assert workers.rows(repeated, preempted[0])[0]["steps_repeated"] == 0
    assert workers.epochs(both[0]) == workers.epochs(both[1])
    assert workers.final_weights(both[0]) == workers.final_weights(both[1])


@pytest.mark.slow
def test_a_project_that_has_used_its_day_waits_and_loses_nothing(workers: Workers) -> None:
    workers.start()
    spec = example("digits-cnn-adam", 60, checkpoint={"every_seconds": 600})
    alone, job_id = submit(spec, project="prj_a"), submit(spec, project="prj_b")
    workers.rows("""UPDATE project SET quotas = '{"device_seconds_per_day": 1}' WHERE id = 'prj_b' RETURNING id""")
    workers.until(lambda: "preempted" in workers.events(job_id), 120)
    job = workers.job(job_id)
    assert (job["status"], job["failures"]) == ("queued", 0)
    assert workers.causes(job_id) == ["quota"]
    assert workers.ended(alone, 120)["status"] == "succeeded"
    assert workers.job(job_id)["attempt"] == 1
    workers.rows("UPDATE project SET quotas = '{}' WHERE id = 'prj_b' RETURNING id")
    assert workers.ended(job_id, 120)["status"] == "succeeded"
    assert workers.epochs(job_id) == workers.epochs(alone)
    assert workers.final_weights(job_id) == workers.final_weights(alone)
