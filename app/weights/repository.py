"""All SQL of weights. Every function names the project: row-level security is the second wall, not the only one."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Text, cast, delete, func, insert, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.jobs.lifecycle import ENDED
from app.models import Checkpoint, Job, Weights


def lock(session: Session, weights_id: str) -> None:
    """Until the transaction ends: who starts a job from the weights and who removes them wait for each other."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("weights:" + weights_id, 0))))


def insert_weights(session: Session, values: Mapping[str, Any]) -> None:
    session.execute(insert(Weights).values(**values))


def keep_weights(session: Session, values: Mapping[str, Any]) -> None:
    """As `insert_weights`, for a checkpoint that may be kept already."""
    session.execute(upsert(Weights).values(**values).on_conflict_do_nothing())


def get_weights(session: Session, project_id: str, weights_id: str) -> Weights | None:
    statement = select(Weights).where(Weights.project_id == project_id, Weights.id == weights_id)
    return session.execute(statement).scalar_one_or_none()


def list_uploads(
    session: Session, project_id: str, *, after: str | None, limit: int, newest_first: bool
) -> Sequence[Weights]:
    """One row more than `limit`, where there is one."""
    statement = select(Weights).where(Weights.project_id == project_id, Weights.job_id.is_(None))
    if after is not None:
        statement = statement.where(Weights.id < after if newest_first else Weights.id > after)
    order = Weights.id.desc() if newest_first else Weights.id.asc()
    return session.execute(statement.order_by(order).limit(limit + 1)).scalars().all()


def files_of_project(session: Session, project_id: str) -> Sequence[str]:
    """sha256 of its uploads, and of the checkpoints that its jobs hold."""
    return session.execute(select(Weights.sha256).where(Weights.project_id == project_id)).scalars().all()


def delete_weights(session: Session, project_id: str, weights_id: str) -> None:
    session.execute(delete(Weights).where(Weights.project_id == project_id, Weights.id == weights_id))


def needed_by(session: Session, project_id: str, weights_id: str, *, ended: bool) -> str | None:
    """A job whose resolved spec names the weights, or that was forked there; `ended`: one that has ended counts too."""
    named = func.strpos(cast(Job.resolved_spec, Text), f'"{weights_id}"') > 0
    statement = select(Job.id).where(Job.project_id == project_id, or_(named, Job.parent_checkpoint_id == weights_id))
    if not ended:
        statement = statement.where(Job.status.not_in(ENDED))
    return session.execute(statement.limit(1)).scalar_one_or_none()


def find_job(session: Session, project_id: str, job_id: str) -> dict[str, str | None] | None:
    """The ids of its `latest` and `best` checkpoints."""
    statement = select(Job.latest_checkpoint_id, Job.best_checkpoint_id)
    row = session.execute(statement.where(Job.project_id == project_id, Job.id == job_id)).one_or_none()
    return None if row is None else {"latest": row[0], "best": row[1]}


def get_checkpoint(session: Session, project_id: str, job_id: str, checkpoint_id: str) -> Checkpoint | None:
    statement = select(Checkpoint).where(
        Checkpoint.project_id == project_id, Checkpoint.job_id == job_id, Checkpoint.id == checkpoint_id
    )
    return session.execute(statement).scalar_one_or_none()
