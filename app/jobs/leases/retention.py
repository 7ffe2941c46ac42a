"""Checkpoint rows: the newest, the best, and which of the older ones stay."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.orm import Session

from app.jobs.leases.fence import Lease
from app.models import Checkpoint, Job


def add_checkpoint(session: Session, lease: Lease, columns: dict[str, Any], keep_last: int) -> list[str]:
    """Insert the row of a whole file and move the pointers. Returns the files that nothing refers to any more."""
    columns = dict(columns)
    is_best = columns.pop("is_best")
    session.execute(insert(Checkpoint), [columns])
    latest_id, best_id = session.execute(
        select(Job.latest_checkpoint_id, Job.best_checkpoint_id).where(Job.id == lease.job_id)
    ).one()
    latest = None if latest_id is None else session.get(Checkpoint, latest_id)
    values: dict[str, Any] = {}
    # A best checkpoint may be written after a newer one; a resumed run writes the same step again.
    if latest is None or columns["step"] >= latest.step or latest.attempt != lease.attempt:
        latest_id = values["latest_checkpoint_id"] = columns["id"]
    if is_best:
        best_id = values["best_checkpoint_id"] = columns["id"]
    if latest is None or columns["step"] > latest.step:
        values["failures"] = 0  # that is progress
    session.execute(update(Job).where(Job.id == lease.job_id).values(**values))
    return retire(session, lease.job_id, [latest_id, best_id], keep_last)


def retire(session: Session, job_id: str, needed: Sequence[str | None], keep_last: int) -> list[str]:
    """Delete the rows of checkpoints that are neither needed, pinned, nor among the last ones; their files."""
    last = select(Checkpoint.id).where(Checkpoint.job_id == job_id).order_by(Checkpoint.seq.desc()).limit(keep_last)
    known = [id for id in needed if id is not None]  # NULL IN (...) is neither true nor false: all rows would stay
    kept = or_(Checkpoint.id.in_(known), Checkpoint.id.in_(last), Checkpoint.pinned)
    statement = delete(Checkpoint).where(Checkpoint.job_id == job_id, ~kept).returning(Checkpoint.path)
    return list(session.scalars(statement, execution_options={"synchronize_session": False}))
