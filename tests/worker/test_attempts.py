"""Whole attempts on real parts: killed at any level, stopped, starved; the numbers come out as if nothing had been."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from app.jobs.spec import builtin_facts, resolve, validate
from tests.worker.conftest import Workers, children, example, submit

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

EPOCHS = 14
# Checkpoints far apart, so that a kill leaves epochs that are trained twice.
CNN = example("digits-cnn-adam", EPOCHS, checkpoint={"every_epochs": 4, "keep_last": 3})
ENDLESS = example("digits-cnn-adam", 2000)


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    """Rows and weights of the run left alone, once some test has made it."""
    return {}


def compare(workers: Workers, golden: dict[str, Any], job_id: str) -> None:
    if not golden:
        alone = submit(CNN)
        assert workers.ended(alone)["status"] == "succeeded"
        assert workers.events(alone) == ["queued", "started", "succeeded"]
        golden |= {"rows": workers.epochs(alone), "weights": workers.final_weights(alone)}
    assert len(golden["rows"]) == EPOCHS
    assert workers.epochs(job_id) == golden["rows"]
    assert workers.final_weights(job_id) == golden["weights"]


@pytest.mark.slow  # with the whole service around it: tests/system/test_kills.py
@pytest.mark.parametrize("victim", ["trainer", "worker.celery_main", "worker.warm", "worker.main"])
def test_a_kill_changes_no_number(workers: Workers, golden: dict[str, Any], victim: str) -> None:
    workers.start()
    job_id = submit(CNN)
    workers.trained(job_id, 6)
    trainer = workers.pid("trainer")
    workers.kill(victim)
    if victim == "worker.main":
        workers.processes.pop(0).wait()
        workers.start()
    workers.until(lambda: not Path(f"/proc/{trainer}").exists())
    workers.until(lambda: "resumed" in workers.events(job_id))
    job = workers.ended(job_id)
    assert (job["status"], job["attempt"], job["failures"]) == ("succeeded", 2, 0)
    cause = "trainer_died" if victim in ("trainer", "worker.warm") else "worker_lost"
    assert workers.causes(job_id) == [cause, "succeeded"]
    assert workers.events(job_id) == ["queued", "started", "interrupted", "resumed", "resume_verified", "succeeded"]
    second = workers.rows("SELECT * FROM attempt WHERE job_id = %s AND attempt = 2", job_id)[0]
    assert second["verdict"]["bit_exact"] is True
    assert second["verdict"]["epochs_compared"] >= 1
    assert second["steps_repeated"] >= 23 * second["verdict"]["epochs_compared"]
    compare(workers, golden, job_id)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(workers: Workers, golden: dict[str, Any]) -> None:
    host = workers.start()
    job_id = submit(CNN)
    workers.trained(job_id, 9)
    store = Path(workers.environment["DESCENT_STORE_URL"])
    newest = workers.until(lambda: sorted((store / "jobs" / job_id / "a1").glob("e000008*")))[0]
    query = "SELECT latest_checkpoint_id AS id FROM job WHERE id = %s"
    host.send_signal(signal.SIGSTOP)  # nothing is started again meanwhile
    workers.kill("worker.celery_main")
    content = bytearray(newest.read_bytes())
    content[-100] ^= 1
    newest.write_bytes(content)
    damaged = workers.rows(query, job_id)[0]["id"]
    host.send_signal(signal.SIGCONT)
    job = workers.ended(job_id)
    assert job["status"] == "succeeded", job["error"]
    events = workers.rows("SELECT type, data FROM event WHERE job_id = %s ORDER BY seq", job_id)
    corrupt = [event["data"]["checkpoint"] for event in events if event["type"] == "checkpoint_corrupt"]
    assert corrupt[0] == damaged
    compare(workers, golden, job_id)


def test_cancel_pause_and_drain(workers: Workers, golden: dict[str, Any]) -> None:
    host = workers.start()
    cancelled = submit(ENDLESS)
    workers.trained(cancelled, 1)
    ask(workers, cancelled, "cancelling", "cancel")
    assert workers.ended(cancelled, 5)["status"] == "cancelled"
    assert workers.causes(cancelled) == ["cancelled"]

    hung = submit(ENDLESS)
    workers.trained(hung, 1)
    workers.kill("trainer", signal.SIGSTOP)
    ask(workers, hung, "cancelling", "cancel")
    assert workers.ended(hung)["status"] == "cancelled"

    paused = submit(CNN)
    workers.trained(paused, 3)
    ask(workers, paused, "pausing", "pause")
    job = workers.ended(paused)
    assert job["status"] == "paused"
    checkpoint = workers.rows("SELECT * FROM checkpoint WHERE id = %s", job["latest_checkpoint_id"])[0]
    assert (checkpoint["reason"], checkpoint["step"]) == ("pause", job["progress"]["step"])
    workers.rows("UPDATE job SET status = 'queued', available_at = now() WHERE id = %s RETURNING id", paused)
    workers.until(lambda: "resumed" in workers.events(paused))  # no bell was rung: the idle poll finds it

    host.send_signal(signal.SIGTERM)
    assert host.wait(60) == 0
    assert workers.causes(paused) == ["paused", "drained"]
    job = workers.job(paused)
    assert (job["status"], job["failures"]) == ("queued", 0)
    states = workers.rows("SELECT state FROM worker")
    assert {row["state"] for row in states} == {"gone"}
    workers.processes.clear()
    workers.start()
    assert workers.ended(paused)["status"] == "succeeded"
    repeated = workers.rows("SELECT steps_repeated AS n FROM attempt WHERE job_id = %s ORDER BY attempt", paused)
    assert [row["n"] for row in repeated] == [None, 0, 0]
    compare(workers, golden, paused)


def ask(workers: Workers, job_id: str, status: str, request: str) -> None:
    """As the API does it."""
    workers.rows("UPDATE job SET status = %s, request = %s WHERE id = %s RETURNING id", status, request, job_id)
    workers.rows("SELECT pg_notify('descent_request', %s)", job_id)


@pytest.mark.slow
def test_a_process_asleep_beyond_its_lease_writes_nothing_more(workers: Workers, golden: dict[str, Any]) -> None:
    workers.start()
    job_id = submit(CNN)
    workers.trained(job_id, 5)
    zombie = workers.pid("worker.celery_main")
    workers.kill("worker.celery_main", signal.SIGSTOP)
    other = workers.start()
    workers.until(lambda: workers.job(job_id)["attempt"] == 2)
    os.kill(zombie, signal.SIGCONT)
    assert workers.ended(job_id)["status"] == "succeeded"
    assert other.poll() is None
    assert workers.causes(job_id) == ["worker_lost", "succeeded"]
    compare(workers, golden, job_id)


@pytest.mark.slow  # the storm cuts connections too
def test_connections_lost_again_and_again(workers: Workers, golden: dict[str, Any]) -> None:
    """Backends are killed under the writes: what was committed without an answer is not written twice."""
    workers.start()
    job_id = submit(CNN)
    workers.trained(job_id, 1)
    others = "pid <> pg_backend_pid() AND datname = current_database()"
    kill = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"
    for _ in range(15):
        workers.rows(kill)
        time.sleep(0.15)
    job = workers.ended(job_id)
    assert (job["status"], job["attempt"]) == ("succeeded", 1)
    assert workers.events(job_id) == ["queued", "started", "succeeded"]
    seqs = workers.rows("SELECT seq FROM epoch WHERE job_id = %s ORDER BY epoch", job_id)
    assert [row["seq"] for row in seqs] == sorted({row["seq"] for row in seqs})
    compare(workers, golden, job_id)


def test_failures_of_the_jobs_own_making(workers: Workers) -> None:
    workers.start()
    diverging = submit(example("quadratic-diverges", 400))
    unknown = submit(CNN, resolved_spec=broken(CNN))
    job = workers.ended(diverging)
    assert (job["status"], job["error"]["code"]) == ("failed", "diverged")
    assert workers.events(diverging)[-1] == "diverged"
    job = workers.ended(unknown)
    assert (job["status"], job["error"]["code"]) == ("failed", "invalid_spec")
    assert job["error"]["detail"]["errors"][0]["pointer"].startswith("/model")


def broken(document: dict[str, Any]) -> dict[str, Any]:
    """What an older version may have resolved and this one cannot build."""
    resolved = resolve(validate(document), builtin_facts)
    resolved["model"]["layers"][3]["in_channels"] = 7
    return resolved


def test_a_trainer_dies_with_its_supervisor(workers: Workers) -> None:
    host = workers.start()
    job_id = submit(ENDLESS)
    workers.trained(job_id, 1)
    family = [*children(host.pid), workers.pid("trainer")]
    host.kill()
    host.wait()
    workers.processes.clear()
    workers.until(lambda: not any(alive(pid) for pid in family))


def alive(pid: int) -> bool:
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(found) and not found.startswith("Z")


MOMENTS = ["step:150", "after_epoch_row:5", "during_validation:20", "mid_checkpoint_write:2", "after_tmp_write:2"]
MOMENTS += ["after_checkpoint_report:2"]


@pytest.mark.parametrize(
    "moment", ["after_rename:2", *(pytest.param(moment, marks=pytest.mark.slow) for moment in MOMENTS)]
)
@pytest.mark.slow
def test_every_trainer_dies_at_this_moment(workers: Workers, golden: dict[str, Any], moment: str) -> None:
    workers.environment["DESCENT_FAILPOINT"] = moment
    workers.start()
    job_id = submit(CNN)
    job = workers.ended(job_id, 90)
    assert (job["status"], job["error"]) == ("succeeded", None)
    causes = workers.causes(job_id)
    assert causes == ["trainer_died"] * (len(causes) - 1) + ["succeeded"]
    assert len(causes) >= 2
    assert not list(Path(workers.environment["DESCENT_STORE_URL"]).glob("jobs/*/a*/.tmp-*"))
    workers.environment.pop("DESCENT_FAILPOINT")
    if not golden:
        workers.processes.pop().terminate()
        workers.start()
    compare(workers, golden, job_id)


def test_a_job_that_kills_every_trainer_is_given_up(workers: Workers) -> None:
    workers.environment |= {"DESCENT_FAILPOINT": "before_end", "DESCENT_MAX_ATTEMPTS": "3"}
    workers.start()
    job_id = submit(example("digits-cnn-adam", 1))
    job = workers.ended(job_id)
    assert (job["status"], job["error"]["code"]) == ("failed", "attempts_exhausted")
    # The first attempt made progress: the row and the final checkpoint.
    assert workers.causes(job_id) == ["trainer_died"] * 3
    assert "SIGKILL" in job["error"]["message"]


@pytest.mark.slow
def test_a_hung_trainer_is_stopped_and_tried_again(workers: Workers, golden: dict[str, Any]) -> None:
    workers.environment["DESCENT_PROGRESS_SECONDS"] = "4"
    workers.start()
    job_id = submit(CNN)
    workers.trained(job_id, 3)
    workers.kill("trainer", signal.SIGSTOP)
    job = workers.ended(job_id)
    assert job["status"] == "succeeded"
    assert workers.causes(job_id) == ["hung", "succeeded"]
    compare(workers, golden, job_id)
