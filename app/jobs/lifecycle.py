"""The states of a job and the one gate through which they change.

queued ──> running ──> succeeded | failed
  │  ^        │ ├──> pausing ──> paused ──> queued (resume)
  │  └────────┘ └──> cancelling ──> cancelled ──> queued (resume)
  └──> paused | cancelled          (worker lost, drained, preempted: running ──> queued)
"""

from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session

from app.models import Job

Status = Literal["queued", "running", "pausing", "paused", "cancelling", "cancelled", "succeeded", "failed"]

ALLOWED: dict[Status, frozenset[Status]] = {
    "queued": frozenset({"running", "paused", "cancelled"}),
    "running": frozenset({"succeeded", "failed", "pausing", "cancelling", "queued"}),
    "pausing": frozenset({"paused", "cancelling", "succeeded", "failed"}),
    "cancelling": frozenset({"cancelled", "succeeded", "failed"}),
    "paused": frozenset({"queued", "cancelled"}),
    "failed": frozenset({"queued"}),
    "cancelled": frozenset({"queued"}),
    "succeeded": frozenset({"queued"}),
}
HOLDING_LEASE: frozenset[Status] = frozenset({"running", "pausing", "cancelling"})
ENDED: frozenset[Status] = frozenset({"succeeded", "failed", "cancelled"})


class Moved(NamedTuple):
    id: str
    project_id: str
    seq: int
    attempt: int
    queue: str


def transition(
    session: Session, job_id: str, old: Collection[Status], new: Status, *, attempt: int | None = None, **values: Any
) -> bool:
    """Move a job from one of `old` to `new`; False when it is elsewhere by now (or, with `attempt`, the lease is lost).

    Leaving the states that hold a lease gives the lease up; entering `queued` makes the job available again.
    """
    values = entering(old, new, values)
    statement = update(Job).where(Job.id == job_id, Job.status.in_(old))
    if attempt is not None:
        statement = statement.where(Job.attempt == attempt)
    result = session.execute(statement.values(**values).returning(Job.id))
    return result.first() is not None


def transition_all(
    session: Session, chosen: ColumnElement[bool], old: Collection[Status], new: Status, **values: Any
) -> Sequence[Moved]:
    """Move every chosen job that is in one of `old`; those that moved, each with a `seq` for its event.

    Locks in the order of ids, so that two of these never deadlock.
    """
    values = entering(old, new, values) | {"last_seq": Job.last_seq + 1}
    locked = select(Job.id).where(chosen, Job.status.in_(old)).order_by(Job.id).with_for_update().cte("locked")
    statement = update(Job).where(Job.id.in_(select(locked.c.id))).values(**values)
    moved = session.execute(statement.returning(Job.id, Job.project_id, Job.last_seq, Job.attempt, Job.queue))
    return [Moved(*row) for row in moved]


def entering(old: Collection[Status], new: Status, values: dict[str, Any]) -> dict[str, Any]:
    """The columns that change with the move, those given among them."""
    assert all(new in ALLOWED[status] for status in old), f"{set(old)} -> {new} is no move of a job"
    if new not in HOLDING_LEASE:
        values = values | {"lease_until": None, "worker_id": None, "request": None, "activity": None}
    if new == "queued":
        values = {
            "queued_at": func.now(),
            "available_at": func.now(),
            "dispatched_at": None,
            "finished_at": None,
        } | values
    if new in ENDED:
        values = values | {"finished_at": func.now(), "waiting": None}
    return {"status": new, "version": Job.version + 1, **values}
