"""After a lost attempt another host goes first: for a while, and only where one has room."""

import os
import shutil
import signal
import subprocess
import sys
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from app.database import session_scope
from app.jobs import leases
from app.jobs.leases import Claimed
from app.models import Job, Worker
from tests.worker.conftest import Workers, example, submit

SPEC = example("quadratic-diverges", 10)


def claim(host: str) -> Claimed | None:
    with session_scope("descent_worker") as session:
        return leases.claim(
            session, queue="cpu", labels=["gpu-large"], worker_id=host, host=host, device="cpu", lease_seconds=60
        )


def lost_on(host: str, *, failures: int = 0, **columns: Any) -> str:
    job_id = submit(SPEC, ringing=False, failures=failures, **columns)
    found = claim(host)
    assert found is not None
    with session_scope("descent_worker") as session:
        leases.interrupt(session, found.lease, "trainer_died", "SIGSEGV")
    return job_id


def wait(session: Session, job_id: str, seconds: float) -> None:
    """Let the time pass that way for the job."""
    age = text("make_interval(secs => :seconds)").bindparams(seconds=seconds)
    values = {"queued_at": Job.queued_at - age, "available_at": Job.available_at - age}
    session.execute(update(Job).where(Job.id == job_id).values(**values))
    session.commit()


@pytest.fixture(autouse=True)
def other(session: Session) -> Worker:
    """A worker of another host, with one free slot."""
    columns: dict[str, Any] = {"pid": 1, "queue": "cpu", "device": "cpu", "slots": 1, "labels": [], "state": "active"}
    session.add(Worker(id="here", host="here", **columns))
    worker = Worker(id="there", host="there", **columns)
    session.add(worker)
    session.commit()
    return worker


def test_another_host_goes_first(session: Session) -> None:
    job_id = lost_on("here")
    assert claim("here") is None
    found = claim("there")
    assert found is not None
    assert (found.lease.job_id, found.lease.attempt) == (job_id, 2)


def test_other_jobs_are_not_held_up(session: Session) -> None:
    lost_on("here")
    second = submit(SPEC, ringing=False)
    found = claim("here")
    assert found is not None
    assert found.lease.job_id == second


def test_it_comes_back_after_a_while(session: Session) -> None:
    job_id = lost_on("here")
    wait(session, job_id, 4)
    assert claim("here") is None
    wait(session, job_id, 2)
    assert claim("here") is not None


def test_the_longer_it_had_to_wait_the_longer_it_is_left(session: Session) -> None:
    job_id = lost_on("here", failures=3)  # the fourth loss: 8 s of backoff
    wait(session, job_id, 15)
    assert claim("here") is None
    wait(session, job_id, 2)
    assert claim("here") is not None


@pytest.mark.parametrize(
    "change",
    [
        {"slots": 0},
        {"state": "cordoned"},
        {"queue": "cuda"},
        {"host": "here"},
        {"heartbeat_at": text("now() - interval '21 seconds'")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_nobody_waits_for_a_host_without_room(session: Session, change: dict[str, Any]) -> None:
    session.execute(update(Worker).where(Worker.id == "there").values(**change))
    session.commit()
    lost_on("here")
    assert claim("here") is not None


def test_nobody_waits_for_a_host_that_is_busy_or_lacks_a_label(session: Session) -> None:
    lost_on("here", labels=["gpu-large"])
    assert claim("here") is not None
    submit(SPEC, ringing=False)
    assert claim("there") is not None
    lost_on("here")
    assert claim("here") is not None


def test_who_was_only_put_aside_goes_on_where_it_was(session: Session) -> None:
    submit(SPEC, ringing=False, failures=1)
    found = claim("here")
    assert found is not None
    with session_scope("descent_worker") as worker:
        leases.put_aside(worker, found.lease, "drained", "")
    assert claim("here") is not None


def may_name_hosts() -> bool:
    unshare = shutil.which("unshare")
    return unshare is not None and subprocess.run([unshare, "--uts", "true"], capture_output=True).returncode == 0


@pytest.mark.system
@pytest.mark.skipif(not may_name_hosts(), reason="a host name of one's own takes root and unshare")
@pytest.mark.slow
def test_a_killed_trainer_goes_on_at_the_other_host(workers: Workers, session: Session) -> None:
    session.execute(update(Worker).values(state="gone"))
    session.commit()
    workers.start()
    job_id = submit(example("digits-cnn-adam", 30))
    workers.trained(job_id, 2)
    renamed = ["unshare", "--uts", "sh", "-c", 'hostname another && exec "$0" -m worker.main --slots cpu=1']
    workers.processes.append(subprocess.Popen([*renamed, sys.executable], env=workers.environment))
    workers.until(lambda: workers.rows("SELECT 1 FROM worker WHERE host = 'another'"))
    os.kill(workers.pid("trainer"), signal.SIGKILL)
    assert workers.ended(job_id)["status"] == "succeeded"
    hosts = [row["host"] for row in workers.rows("SELECT host FROM attempt WHERE job_id = %s ORDER BY attempt", job_id)]
    assert len(hosts) == 2
    assert hosts[0] != hosts[1] == "another"
