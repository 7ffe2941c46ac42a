"""All SQL of the feed: what changed, in the order of the transactions that changed it.

Sequences lose rows, because transactions do not commit in the order in which they took their numbers. So only what lies
below the oldest transaction that is still running is handed out: nothing can appear behind a reader any more.
"""

from dataclasses import dataclass

from sqlalchemy import RowMapping, select, text, tuple_
from sqlalchemy.orm import Session

from app.models.base import Base

Row = RowMapping
SERIES = {kind: Base.metadata.tables[kind] for kind in ("epoch", "event", "checkpoint")}
JOB = Base.metadata.tables["job"]


@dataclass(frozen=True, order=True)
class Place:
    """A place in the feed: transaction, job, and the row's seq within it (0: the job itself)."""

    transaction: int = 0
    job_id: str = ""
    seq: int = 0


def horizon(session: Session) -> int:
    """The oldest transaction that is still running: everything below is settled."""
    return int(session.execute(text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")).scalar_one())


def changed_jobs(session: Session, after: Place, below: int, limit: int) -> list[tuple[Place, str]]:
    """The places and ids of jobs that changed; each stands once, where it changed last."""
    past = tuple_(JOB.c.changed_in, JOB.c.id) > tuple_(after.transaction, after.job_id)
    statement = select(JOB.c.changed_in, JOB.c.id).where(
        JOB.c.changed_in >= after.transaction, past, JOB.c.changed_in < below
    )
    rows = session.execute(statement.order_by(JOB.c.changed_in, JOB.c.id).limit(limit))
    return [(Place(number, job_id), job_id) for number, job_id in rows]


def changed_rows(session: Session, kind: str, after: Place, below: int, limit: int) -> list[tuple[Place, Row]]:
    """Rows of one kind past a place, with their places."""
    table = SERIES[kind]
    own = (table.c.changed_in, table.c.job_id, table.c.seq)
    past = tuple_(*own) > tuple_(after.transaction, after.job_id, after.seq)
    statement = select(table).where(table.c.changed_in >= after.transaction, past, table.c.changed_in < below)
    rows = session.execute(statement.order_by(*own).limit(limit)).mappings()
    return [(Place(row["changed_in"], row["job_id"], row["seq"]), row) for row in rows]
