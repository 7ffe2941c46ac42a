"""All SQL of projects and keys."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, select, text, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.jobs.lifecycle import ENDED
from app.models import ApiKey, Dataset, Job, Project


def find_key(session: Session, key_id: str) -> ApiKey | None:
    return session.get(ApiKey, key_id)


def add_key(session: Session, key: ApiKey) -> None:
    session.add(key)
    session.flush()


def touch_key(session: Session, key_id: str) -> None:
    """Note the use of a key, once a minute at most."""
    a_minute_ago = func.now() - text("interval '1 minute'")
    unused = ApiKey.last_used_at.is_(None) | (ApiKey.last_used_at < a_minute_ago)
    session.execute(update(ApiKey).where(ApiKey.id == key_id, unused).values(last_used_at=func.now()))


def database_time(session: Session) -> datetime:
    return session.execute(select(func.now())).scalar_one()


def oldest_project(session: Session) -> str | None:
    return session.scalar(select(Project.id).order_by(Project.created_at, Project.id).limit(1))


def project_exists(session: Session, project_id: str) -> bool:
    return session.scalar(select(Project.id).where(Project.id == project_id)) is not None


def list_projects(session: Session, ids: Sequence[str] | None) -> list[Project]:
    statement = select(Project).order_by(Project.created_at, Project.id)
    if ids is not None:
        statement = statement.where(Project.id.in_(ids))
    return list(session.scalars(statement))


def add_project_if_missing(session: Session, project_id: str, name: str) -> str:
    """The id of the project of this name, whoever made it."""
    statement = insert(Project).values(id=project_id, name=name).on_conflict_do_nothing(index_elements=[Project.name])
    session.execute(statement)
    return session.execute(select(Project.id).where(Project.name == name)).scalar_one()


def announce_keys(session: Session) -> None:
    """Let every API process forget the keys it remembers, when the transaction commits."""
    session.execute(select(func.pg_notify("descent_key", "")))


def get_project(session: Session, project_id: str) -> Project | None:
    return session.get(Project, project_id)


def lock_project(session: Session, project_id: str) -> None:
    """Nobody adds a row to the project until the transaction ends."""
    session.execute(select(Project.id).where(Project.id == project_id).with_for_update())


def project_of_name(session: Session, name: str) -> str | None:
    return session.scalar(select(Project.id).where(Project.name == name))


def projects_after(session: Session, ids: Sequence[str] | None, after: str | None, limit: int) -> list[Project]:
    statement = select(Project).where(Project.id.in_(ids) if ids is not None else true())
    if after is not None:
        statement = statement.where(Project.id > after)
    return list(session.scalars(statement.order_by(Project.id).limit(limit + 1)))


def add_project(session: Session, project: Project) -> Project:
    session.add(project)
    session.flush()
    session.refresh(project)
    return project


def jobs_of_project(session: Session) -> list[tuple[str, bool]]:
    """The ids of the session's project's jobs, and whether each has ended."""
    return [(job_id, status in ENDED) for job_id, status in session.execute(select(Job.id, Job.status))]


def points_of_sweep(session: Session, sweep_id: str) -> set[str]:
    """Ids of the jobs of a sweep of the session's project."""
    return set(session.scalars(select(Job.id).where(Job.sweep_id == sweep_id)))


def has_published(session: Session, project_id: str) -> bool:
    """Whether other projects may read one of its data sets."""
    mine = select(Dataset.id).where(Dataset.project_id == project_id, Dataset.published_at.is_not(None))
    return session.scalar(mine.limit(1)) is not None


def remove_project(session: Session, project_id: str) -> None:
    session.execute(delete(Project).where(Project.id == project_id))


def keys_after(session: Session, projects: Sequence[str] | None, after: str | None, limit: int) -> list[ApiKey]:
    """Keys (not tokens) that open no other projects than these."""
    statement = select(ApiKey).where(ApiKey.jobs.is_(None), opens_only(projects))
    if after is not None:
        statement = statement.where(ApiKey.id > after)
    return list(session.scalars(statement.order_by(ApiKey.id).limit(limit + 1)))


def opens_only(projects: Sequence[str] | None) -> ColumnElement[bool]:
    return true() if projects is None else ApiKey.projects.contained_by(list(projects))


def rates_of(session: Session, projects: Sequence[str] | None) -> dict[str, int]:
    """Requests a minute of the projects that are limited."""
    rate = Project.quotas["requests_per_minute"].as_integer()
    statement = select(Project.id, rate).where(rate.is_not(None))
    if projects is not None:
        statement = statement.where(Project.id.in_(projects))
    return {project_id: int(limit) for project_id, limit in session.execute(statement)}
