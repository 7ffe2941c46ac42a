"""The fence: a write of an attempt happens while its lease is held, or not at all."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, select, text, update
from sqlalchemy.orm import Session

from app.jobs.lifecycle import HOLDING_LEASE, Status
from app.models import Job


@dataclass(frozen=True)
class Lease:
    """One attempt's right to write."""

    job_id: str
    attempt: int
    project_id: str
    seconds: float


class LeaseLost(Exception):
    """Somebody else decides about the job by now: stop, and touch nothing."""


class Held(NamedTuple):
    """What the job's row says to the lease's holder."""

    status: Status
    request: str | None
    failures: int
    now: datetime
    """The database's clock."""


def seconds(count: float) -> ColumnElement[Any]:
    return func.make_interval(0, 0, 0, 0, 0, 0, count)


def hold(session: Session, lease: Lease, **values: Any) -> Held:
    """Extend the lease and lock the job's row: the first statement of every fenced transaction. Raises LeaseLost."""
    statement = (
        update(Job)
        .where(Job.id == lease.job_id, Job.attempt == lease.attempt, Job.status.in_(HOLDING_LEASE))
        .values(lease_until=func.clock_timestamp() + seconds(lease.seconds), **values)
        .returning(Job.status, Job.request, Job.failures, func.clock_timestamp())
    )
    row = session.execute(statement).first()
    if row is None:
        raise LeaseLost(f"attempt {lease.attempt} of {lease.job_id} no longer holds its lease")
    status, request, failures, now = row
    return Held(status, request, failures, now)


def transaction_id(session: Session) -> str:
    """By which `committed` can tell later what became of a COMMIT without an answer."""
    return str(session.scalar(text("SELECT pg_current_xact_id()::text")))


def committed(session: Session, transaction: str) -> bool | None:
    """None while the lost connection's transaction is still open."""
    state = session.scalar(select(func.pg_xact_status(text("CAST(:id AS xid8)").bindparams(id=transaction))))
    return {"committed": True, "in progress": None}.get(str(state), False)
