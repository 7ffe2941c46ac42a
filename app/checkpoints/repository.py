"""All SQL of checkpoints, as the API asks for them."""

from sqlalchemy import RowMapping, delete, select, update
from sqlalchemy.orm import Session

from app.models.base import Base

CHECKPOINT = Base.metadata.tables["checkpoint"]
Row = RowMapping


def list_checkpoints(session: Session, job_id: str, *, after: str | None, limit: int, newest_first: bool) -> list[Row]:
    """By age (an id begins with its time), one more than `limit` where there is one."""
    column = CHECKPOINT.c.id
    statement = select(CHECKPOINT).where(CHECKPOINT.c.job_id == job_id)
    if after is not None:
        statement = statement.where(column < after if newest_first else column > after)
    statement = statement.order_by(column.desc() if newest_first else column).limit(limit + 1)
    return list(session.execute(statement).mappings())


def get_checkpoint(session: Session, job_id: str, checkpoint_id: str) -> Row | None:
    statement = select(CHECKPOINT).where(CHECKPOINT.c.job_id == job_id, CHECKPOINT.c.id == checkpoint_id)
    return session.execute(statement).mappings().first()


def set_pinned(session: Session, checkpoint_id: str, pinned: bool) -> None:
    session.execute(update(CHECKPOINT).where(CHECKPOINT.c.id == checkpoint_id).values(pinned=pinned))


def delete_checkpoint(session: Session, checkpoint_id: str) -> None:
    session.execute(delete(CHECKPOINT).where(CHECKPOINT.c.id == checkpoint_id))
