"""A worker whose trainers crash one after the other cordons itself, checks itself, and goes on."""

import os
import signal

import pytest

from tests.worker.conftest import Workers, children, example, submit

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]


def test_three_crashes_of_different_jobs_cordon_the_worker(workers: Workers) -> None:
    workers.start("--slots", "cpu=3")
    long = example("digits-cnn-adam", 15)
    jobs = [submit(long) for _ in range(3)]
    for job_id in jobs:
        workers.trained(job_id, 1)
    warm = workers.pid("worker.warm")
    for pid in children(warm):
        os.kill(pid, signal.SIGKILL)
    workers.until(lambda: workers.rows("SELECT reason FROM worker WHERE reason IS NOT NULL"))
    workers.until(lambda: workers.rows("SELECT 1 FROM worker WHERE state = 'active' AND reason IS NULL"))
    for job_id in jobs:
        job = workers.ended(job_id, 120)
        assert (job["status"], job["failures"]) == ("succeeded", 0)
        assert workers.causes(job_id)[0] == "trainer_died"
