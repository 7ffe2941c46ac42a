"""What brings a worker into doubt, and what that does to the jobs."""

import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from app.database import session_scope
from app.jobs import leases
from app.jobs.leases import workers as rows
from app.models import Event, Job, Worker
from tests.worker.conftest import example, submit
from worker.doubts import Doubts
from worker.identity import Identity
from worker.supervisor import GaveUp, Outcome, Supervisor, fault_of

SPEC = example("quadratic-diverges", 10)
ME = Identity("wrk_1", "here", "cpu", "cpu", 1, [])


@pytest.mark.parametrize(
    ("outcome", "fault"),
    [
        (Outcome(status=signal.SIGSEGV), "crash"),
        (Outcome(status=256), "crash"),  # it exited before its end
        (Outcome(status=None), "unclear"),  # the warm parent died
        (Outcome(killed="limit", status=signal.SIGKILL), "unclear"),  # the job's own out_of_memory
        (Outcome(killed="hung", status=signal.SIGKILL), "unclear"),
        (Outcome(killed="cancel", status=signal.SIGKILL), "unclear"),
        (Outcome({"error": {"code": "device_error"}}, status=0), "device_error"),
        (Outcome({"error": {"code": "out_of_memory"}}, status=0), None),  # as CUDA tells it
        (Outcome({"error": None}, status=0), None),
    ],
)
def test_whose_fault_an_end_may_be(outcome: Outcome, fault: str | None) -> None:
    assert fault_of(outcome) == fault


@pytest.fixture
def doubts(session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[Doubts]:
    """Of a registered worker that never comes to a self-check."""
    columns: dict[str, Any] = {"host": "here", "pid": 1, "queue": "cpu", "device": "cpu", "slots": 1, "labels": []}
    session.add(Worker(id=ME.worker_id, state="active", **columns))
    session.commit()
    monkeypatch.setattr(Doubts, "_check_until_sound", lambda self, reason: None)
    ours, theirs = socket.socketpair()
    yield Doubts(ME, ours)
    ours.close()
    theirs.close()


def crashed() -> str:
    """A job whose first attempt was lost."""
    job_id = submit(SPEC, ringing=False)
    lose(job_id)
    return job_id


def lose(job_id: str) -> None:
    with session_scope("descent_worker") as session:
        session.execute(update(Job).values(available_at=text("now() - interval '1 hour'")))
        session.execute(update(Job).where(Job.id == job_id).values(available_at=text("now() - interval '1 day'")))
        found = leases.claim(
            session, queue="cpu", labels=[], worker_id=ME.worker_id, host=ME.host, device="cpu", lease_seconds=60
        )
        assert found is not None
        assert found.lease.job_id == job_id
        leases.interrupt(session, found.lease, "trainer_died", "SIGSEGV")


def state(session: Session) -> tuple[str, str | None]:
    session.expire_all()
    worker = session.get_one(Worker, ME.worker_id)
    return worker.state, worker.reason


def failures(session: Session, job_id: str) -> int:
    session.expire_all()
    return session.get_one(Job, job_id).failures


def test_three_different_jobs_in_a_row(session: Session, doubts: Doubts) -> None:
    first, second, third = (crashed() for _ in range(3))
    assert not doubts.add(first, "crash")
    assert not doubts.add(first, "crash")  # the same job again: its own fault, perhaps
    assert not doubts.add(second, "crash")
    assert not doubts.add("job_hungry", "unclear")  # neither for nor against the worker
    assert state(session) == ("active", None)
    assert doubts.add(third, "crash")
    assert state(session) == ("cordoned", "3 crashed attempts in a row")
    assert [failures(session, job_id) for job_id in (first, second, third)] == [0, 0, 0]
    told = session.scalars(select(Event.job_id).where(Event.type == "forgiven"))
    assert set(told) == {first, second, third}


def test_a_job_that_ends_well_takes_the_doubt_away(session: Session, doubts: Doubts) -> None:
    for fault in ("crash", "crash", None, "crash", "crash"):
        assert not doubts.add(crashed(), fault)
    assert state(session) == ("active", None)


def test_a_device_error_is_enough(session: Session, doubts: Doubts) -> None:
    job_id = crashed()
    assert doubts.add(job_id, "device_error")
    assert state(session) == ("cordoned", "the device failed")
    assert failures(session, job_id) == 0


def test_what_breaks_every_worker_is_not_forgiven_for_ever(session: Session, doubts: Doubts) -> None:
    job_id = crashed()
    for number in range(rows.FORGIVEN):
        assert failures(session, job_id) == 1
        with session_scope("descent_worker") as worker:
            rows.doubt(worker, ME.worker_id, f"doubt {number}", [job_id])
        assert failures(session, job_id) == 0
        lose(job_id)
    with session_scope("descent_worker") as worker:
        rows.doubt(worker, ME.worker_id, "once more", [job_id])
    assert failures(session, job_id) == 1


def supervisor(draining: bool) -> Supervisor:
    submit(SPEC, ringing=False)
    with session_scope("descent_worker") as session:
        found = leases.claim(
            session, queue="cpu", labels=[], worker_id=ME.worker_id, host=ME.host, device="cpu", lease_seconds=60
        )
    assert found is not None
    return Supervisor(found, socket.socket(), lambda: draining, ME.worker_id)


def test_an_attempt_waits_for_a_database_that_is_away(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.supervisor.RETRY_SECONDS", 0.01)
    answers: list[Any] = [OperationalError("", {}, Exception()), InterfaceError("", {}, Exception()), "there"]

    def query() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    assert supervisor(draining=False).ask(query) == "there"
    answers[:] = [OperationalError("", {}, Exception())]
    with pytest.raises(GaveUp):
        supervisor(draining=True).ask(query)
