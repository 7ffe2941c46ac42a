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
    if values:
        session.execute(update(Job).where(Job.id == lease.job_id).values(**values))
    return retire(session, lease.job_id, [latest_id, best_id], keep_last)


def retire(session: Session, job_id: str, needed: Sequence[str | None], keep_last: int) -> list[str]:
    """Delete the rows of checkpoints that are neither needed, pinned, nor among the last ones; their files."""
    last = select(Checkpoint.id).where(Checkpoint.job_id == job_id).order_by(Checkpoint.seq.desc()).limit(keep_last)
    known = [id for id in needed if id is not None]  # NULL IN (...) is neither true nor false: all rows would stay
    kept = or_(Checkpoint.id.in_(known), Checkpoint.id.in_(last), Checkpoint.pinned)
    statement = delete(Checkpoint).where(Checkpoint.job_id == job_id, ~kept).returning(Checkpoint.path)
    return list(session.scalars(statement, execution_options={"synchronize_session": False}))


def forget_beyond(session: Session, job_id: str, step: int) -> list[str]:
    """Delete the rows of unpinned checkpoints after a step that the training has gone back to; their files.

    The job then goes on from the newest of those at or before it.
    """
    of_job = Checkpoint.job_id == job_id
    statement = delete(Checkpoint).where(of_job, Checkpoint.step > step, ~Checkpoint.pinned).returning(Checkpoint.path)
    paths = list(session.scalars(statement, execution_options={"synchronize_session": False}))
    newest = select(Checkpoint.id).where(of_job, Checkpoint.step <= step)
    newest = newest.order_by(Checkpoint.step.desc(), Checkpoint.seq.desc()).limit(1)
    best = select(Checkpoint.id).where(of_job, Checkpoint.step <= step, Checkpoint.id == Job.best_checkpoint_id)
    values = {"latest_checkpoint_id": newest.scalar_subquery(), "best_checkpoint_id": best.scalar_subquery()}
    session.execute(
        update(Job).where(Job.id == job_id).values(**values), execution_options={"synchronize_session": False}
    )
    return paths
