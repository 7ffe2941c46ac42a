"""One job beyond its limits ends by itself, and harms no neighbour."""

import os
import signal
import subprocess
import sys
from typing import Any

import pytest
from sqlalchemy import update

from app.database import session_scope
from app.jobs.leases import Lease
from app.jobs.memory import least_bytes, refusal, shown
from app.models import Project
from tests.conftest import clear_caches
from tests.worker.conftest import Workers, example, submit
from worker.limits import Watch, memory_limit, memory_of

LIMIT = 600 * 2**20


def wide(width: int, epochs: int) -> dict[str, Any]:
    return example("iris-mlp-sgd", epochs, model={"type": "MLP", "hidden": [width, width]}, optimizer={"type": "Adam"})


def test_a_job_beyond_its_memory_fails_and_its_neighbour_does_not(workers: Workers) -> None:
    workers.environment["DESCENT_JOB_MEMORY_BYTES"] = str(LIMIT)
    workers.start("--slots", "cpu=2")
    small = submit(example("iris-mlp-sgd", 200))
    hungry = submit(wide(6000, 50))  # 144 MB of weights: with gradients and Adam's state 576
    impossible = submit(wide(20000, 50))
    for job_id in (hungry, impossible):
        job = workers.ended(job_id)
        assert (job["status"], job["error"]["code"]) == ("failed", "out_of_memory"), job["error"]
        assert workers.causes(job_id) == ["failed"]
    assert "The job took" in workers.job(hungry)["error"]["message"]
    assert "takes at least 3.0 GiB" in workers.job(impossible)["error"]["message"]
    assert workers.ended(small)["status"] == "succeeded"
    assert workers.causes(small) == ["succeeded"]


def test_a_model_beyond_the_quota_fails_where_nobody_counted_before(workers: Workers) -> None:
    small, large = submit(wide(4, 2), ringing=False), submit(wide(64, 2), ringing=False)
    with session_scope("descent_worker") as session:
        session.execute(update(Project).where(Project.id == "prj_a").values(quotas={"parameters": 100}))
    workers.start()
    error = workers.ended(large)["error"]
    assert (error["code"], error["detail"]["errors"][0]["pointer"]) == ("invalid_spec", "/model")
    assert "a job of this project has at most 100" in error["message"]
    assert workers.ended(small)["status"] == "succeeded"


def test_a_job_beyond_its_time_saves_a_checkpoint_and_fails(workers: Workers) -> None:
    workers.environment["DESCENT_JOB_SECONDS"] = "2"
    workers.start()
    job_id = submit(example("iris-mlp-sgd", 1_000_000))
    job = workers.ended(job_id)
    assert (job["status"], job["error"]["code"]) == ("failed", "timeout")
    assert job["latest_checkpoint_id"] is not None
    assert job["error"]["message"] == "The job has run for 2 s, which is all that it may."


def test_the_time_of_earlier_attempts_counts(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = submit(example("iris-mlp-sgd", 5), ringing=False)
    monkeypatch.setenv("DESCENT_JOB_SECONDS", "100")
    clear_caches()
    insert = "INSERT INTO attempt (job_id, attempt, project_id, worker_id, host, device, started_at, ended_at)"
    values = f" VALUES ('{job_id}', 1, 'prj_a', 'w', 'h', 'cpu', now() - interval '%s seconds', now())"
    with session_scope("descent_worker") as session:
        session.connection().exec_driver_sql(insert + values % 90)
    assert Watch(Lease(job_id, 2, "prj_a", 60)).look(None) is None
    with session_scope("descent_worker") as session:
        session.connection().exec_driver_sql("UPDATE attempt SET started_at = now() - interval '101 seconds'")
    found = Watch(Lease(job_id, 2, "prj_a", 60)).look(None)
    assert found is not None
    assert found["code"] == "timeout"


def test_the_kernels_kill_near_the_limit_is_the_jobs_own_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two looks a trainer may take all there is: a SIGKILL of nobody's then tells who it was."""
    hoard = "import time; x = bytearray(200 << 20); print('full', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", hoard], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        used = memory_of(process.pid)
        assert 200 * 2**20 < used < 260 * 2**20
        for limit, code in ((int(used * 1.1), "out_of_memory"), (used * 10, None)):
            monkeypatch.setenv("DESCENT_JOB_MEMORY_BYTES", str(limit))
            clear_caches()
            watch = Watch(Lease("job_x", 1, "prj_a", 60))
            assert watch.look(process.pid) is None
            watch.bury(signal.SIGKILL)
            assert (watch.error or {}).get("code") == code
        process.kill()
    assert memory_of(process.pid) == 0


def test_without_a_setting_a_job_may_have_most_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DESCENT_JOB_MEMORY_BYTES", raising=False)
    clear_caches()
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 0 < memory_limit() <= 0.9 * total


def test_the_least_that_a_model_takes() -> None:
    model = {"parameters": 10, "trainable_parameters": 5, "parameter_bytes": 40, "optimizer_bytes": 30}
    assert least_bytes(model) == 40 + 20 + 30
    assert [shown(n) for n in (5, 2048, 3 * 2**29)] == ["5 bytes", "2.0 KiB", "1.5 GiB"]
    assert refusal(2**30, 2**20) == "takes at least 1.0 GiB of memory to train; a job may have 1.0 MiB"
