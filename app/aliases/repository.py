"""All SQL of aliases."""

from sqlalchemy import RowMapping, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.models.base import Base

ALIAS, MOVE, CHECKPOINT = (Base.metadata.tables[name] for name in ("alias", "alias_move", "checkpoint"))
Row = RowMapping
NAMED = select(ALIAS, CHECKPOINT.c.job_id).join_from(ALIAS, CHECKPOINT)


def get_alias(session: Session, name: str) -> Row | None:
    """Only one that stands for a checkpoint."""
    return session.execute(NAMED.where(ALIAS.c.name == name)).mappings().first()


def lock_alias(session: Session, project_id: str, name: str) -> Row:
    """The row of a name, made without a checkpoint where there is none; nobody else moves it meanwhile."""
    session.execute(upsert(ALIAS).values(project_id=project_id, name=name, version=0).on_conflict_do_nothing())
    return session.execute(select(ALIAS).where(ALIAS.c.name == name).with_for_update()).mappings().one()


def aliases_after(session: Session, after: str | None, limit: int) -> list[Row]:
    """By name, one more than `limit` where there is one."""
    statement = NAMED if after is None else NAMED.where(ALIAS.c.name > after)
    return list(session.execute(statement.order_by(ALIAS.c.name).limit(limit + 1)).mappings())


def move(session: Session, alias: Row, job_id: str | None, checkpoint_id: str | None, key_id: str | None) -> None:
    """Let a locked name stand for another checkpoint, or for none, and note it in the history."""
    own = (ALIAS.c.project_id == alias["project_id"], ALIAS.c.name == alias["name"])
    version = alias["version"] + 1
    values = {"version": version, "checkpoint_id": checkpoint_id, "changed_at": func.now(), "changed_by": key_id}
    session.execute(update(ALIAS).where(*own).values(**values))
    entry = {"version": version, "job_id": job_id, "checkpoint_id": checkpoint_id, "moved_by": key_id}
    session.execute(insert(MOVE).values(project_id=alias["project_id"], name=alias["name"], **entry))


def forget(session: Session, name: str) -> None:
    """A name that never stood for anything leaves nothing."""
    session.execute(delete(ALIAS).where(ALIAS.c.name == name, ALIAS.c.version == 0))


def history(session: Session, name: str, limit: int) -> list[Row]:
    """The newest moves first."""
    statement = select(MOVE).where(MOVE.c.name == name).order_by(MOVE.c.version.desc()).limit(limit)
    return list(session.execute(statement).mappings())


def names_on(session: Session, job_id: str, checkpoint_id: str | None = None) -> list[str]:
    """The names on a job's checkpoints, or on one of them."""
    statement = select(ALIAS.c.name).join_from(ALIAS, CHECKPOINT).where(CHECKPOINT.c.job_id == job_id)
    if checkpoint_id is not None:
        statement = statement.where(CHECKPOINT.c.id == checkpoint_id)
    return list(session.scalars(statement.order_by(ALIAS.c.name)))


def job_of_checkpoint(session: Session, checkpoint_id: str) -> str | None:
    return session.scalar(select(CHECKPOINT.c.job_id).where(CHECKPOINT.c.id == checkpoint_id))
