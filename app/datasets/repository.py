"""All SQL of data sets. Every function names the project: row-level security is the second wall, not the only one."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, delete, func, insert, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.jobs.lifecycle import ENDED
from app.models import Dataset, DatasetFile, DatasetName, Job


def take_version(session: Session, project_id: str, name: str) -> int:
    """The next number of a name; whoever uploads the same name waits for the commit."""
    row = upsert(DatasetName).values(project_id=project_id, name=name, versions=1)
    counted = row.on_conflict_do_update(
        index_elements=["project_id", "name"], set_={"versions": DatasetName.versions + 1}
    )
    return session.execute(counted.returning(DatasetName.versions)).scalar_one()


def insert_dataset(session: Session, values: Mapping[str, Any], files: Mapping[str, str]) -> None:
    """`files`: sha256 by role."""
    session.execute(insert(Dataset).values(**values))
    owner = {"dataset_id": values["id"], "project_id": values["project_id"]}
    session.execute(insert(DatasetFile), [{**owner, "role": role, "sha256": sha256} for role, sha256 in files.items()])


def readable(project_id: str) -> ColumnElement[bool]:
    """The project's own, and what others have published."""
    return or_(Dataset.project_id == project_id, Dataset.published_at.is_not(None))


def get_dataset(session: Session, project_id: str, dataset_id: str) -> Dataset | None:
    statement = select(Dataset).where(readable(project_id), Dataset.id == dataset_id)
    return session.execute(statement).scalar_one_or_none()


def get_own(session: Session, project_id: str, dataset_id: str) -> Dataset | None:
    """Locked, for whoever changes it."""
    statement = select(Dataset).where(Dataset.project_id == project_id, Dataset.id == dataset_id)
    return session.execute(statement.with_for_update()).scalar_one_or_none()


def get_version(session: Session, project_id: str, name: str, version: int | None) -> Dataset | None:
    """A numbered upload of a name; None: the latest that is there. The project's own go before published ones."""
    statement = select(Dataset).where(readable(project_id), Dataset.name == name)
    if version is not None:
        statement = statement.where(Dataset.version == version)
    order = ((Dataset.project_id == project_id).desc(), Dataset.version.desc(), Dataset.id.desc())
    return session.execute(statement.order_by(*order).limit(1)).scalar_one_or_none()


def get_installed(session: Session, name: str) -> dict[str, Dataset]:
    """The parts of a built-in set that the operator installed; empty when not."""
    statement = select(Dataset).where(Dataset.project_id.is_(None), Dataset.name == name)
    return {str(row.part): row for row in session.execute(statement).scalars()}


def list_datasets(
    session: Session, project_id: str, *, name: str | None, after: str | None, limit: int, newest_first: bool
) -> Sequence[Dataset]:
    """One row more than `limit`, where there is one."""
    statement = select(Dataset).where(readable(project_id))
    if name is not None:
        statement = statement.where(Dataset.name == name)
    if after is not None:
        statement = statement.where(Dataset.id < after if newest_first else Dataset.id > after)
    order = Dataset.id.desc() if newest_first else Dataset.id.asc()
    return session.execute(statement.order_by(order).limit(limit + 1)).scalars().all()


def files_of_project(session: Session, project_id: str) -> Sequence[tuple[str, Sequence[str]]]:
    """For each data set its content's sha256, and those of its files."""
    statement = (
        select(Dataset.sha256, func.array_agg(DatasetFile.sha256))
        .join(DatasetFile, DatasetFile.dataset_id == Dataset.id)
        .where(Dataset.project_id == project_id)
        .group_by(Dataset.id)
    )
    return [(sha256, files) for sha256, files in session.execute(statement)]


def files_of(session: Session, dataset_id: str) -> dict[str, str]:
    """sha256 by role."""
    statement = select(DatasetFile.role, DatasetFile.sha256).where(DatasetFile.dataset_id == dataset_id)
    return {row.role: row.sha256 for row in session.execute(statement)}


def needed_by(session: Session, project_id: str, dataset_id: str, *, elsewhere: bool = False) -> str | None:
    """A job that has not ended and whose resolved spec names the data set, wherever it stands in it.

    `elsewhere`: of any other project, which only the workers' role can see.
    """
    owner = Job.project_id != project_id if elsewhere else Job.project_id == project_id
    named = func.strpos(cast(Job.resolved_spec, Text), f'"{dataset_id}"') > 0
    statement = select(Job.id).where(owner, Job.status.not_in(ENDED), named)
    return session.execute(statement.limit(1)).scalar_one_or_none()


def delete_dataset(session: Session, dataset_id: str) -> None:
    session.execute(delete(Dataset).where(Dataset.id == dataset_id))
