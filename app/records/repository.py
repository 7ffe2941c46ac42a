"""All SQL of a job's rows: one query behind epochs, steps and events, whoever asks."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, Table, func, or_, select
from sqlalchemy.orm import Session

from app.models.base import Base

EPOCH, STEP, EVENT, ATTEMPT, ATTEMPT_LOG = (
    Base.metadata.tables[name] for name in ("epoch", "step", "event", "attempt", "attempt_log")
)
Row = RowMapping


def rows_after(session: Session, table: Table, job_id: str, after_seq: int, limit: int) -> list[Row]:
    """Rows with a greater seq, ascending, one more than `limit` where there is one."""
    statement = select(table).where(table.c.job_id == job_id, table.c.seq > after_seq)
    return list(session.execute(statement.order_by(table.c.seq).limit(limit + 1)).mappings())


def thinned_rows(session: Session, table: Table, job_ids: Sequence[str], max_points: int) -> list[Row]:
    """At most `max_points` rows of each job, spread evenly over its whole run, the first and the last among them.

    Rows of epochs also carry `samples_seen` and `seconds`, summed over the run so far.
    """
    clock = table.c[table.name]  # the column `epoch` or `step`
    job = table.c.job_id
    place = (func.row_number().over(partition_by=job, order_by=clock) - 1).label("place")
    total = func.count().over(partition_by=job).label("total")
    sums = []
    if table is EPOCH:
        sums.append(func.sum(table.c.samples).over(partition_by=job, order_by=clock).label("samples_seen"))
        sums.append(func.sum(table.c.duration_seconds).over(partition_by=job, order_by=clock).label("seconds"))
    counted = select(table, place, total, *sums).where(job.in_(job_ids)).subquery()
    gaps = max(max_points - 1, 1)
    last = func.greatest(counted.c.total - 1, 1)
    starts_gap = (counted.c.place * gaps) // last != ((counted.c.place - 1) * gaps) // last
    few = counted.c.total <= max_points
    kept = or_(few, counted.c.place == 0, starts_gap) if max_points > 1 else counted.c.place == 0
    statement = select(counted).where(kept).order_by(counted.c.job_id, counted.c.place)
    return list(session.execute(statement).mappings())


def attempts(session: Session, job_id: str, after: int, limit: int) -> list[Row]:
    statement = select(ATTEMPT).where(ATTEMPT.c.job_id == job_id, ATTEMPT.c.attempt > after)
    return list(session.execute(statement.order_by(ATTEMPT.c.attempt).limit(limit + 1)).mappings())


def last_attempt(session: Session, job_id: str) -> int | None:
    newest: int | None = session.scalar(select(func.max(ATTEMPT.c.attempt)).where(ATTEMPT.c.job_id == job_id))
    return newest


def log_text(session: Session, job_id: str, attempt: int) -> str:
    """Everything kept of an attempt's stderr (at most 1 MiB)."""
    pieces = select(ATTEMPT_LOG.c.text).where(ATTEMPT_LOG.c.job_id == job_id, ATTEMPT_LOG.c.attempt == attempt)
    return "".join(session.scalars(pieces.order_by(ATTEMPT_LOG.c.piece)))
