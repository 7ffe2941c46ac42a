"""Projects, keys and tokens, as an admin key changes them; an admin of some projects sees and gives no others."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import func

from app import blobs, storage
from app.database import ProjectSession
from app.datasets import service as datasets
from app.errors import Conflict, Forbidden, InvalidPayload, NotFound, PointedError
from app.ids import new_id
from app.jobs.repository import get_jobs
from app.lists import page
from app.models import ApiKey, Project
from app.projects import repository, service
from app.projects.principals import Principal, remembered
from app.projects.schemas import NewKey, NewProject, NewToken, ProjectChange, Quotas
from app.settings import get_settings
from app.weights.repository import files_of_project as weights_files

Document = dict[str, Any]


def project_document(project: Project) -> Document:
    return {
        "id": project.id,
        "object": "project",
        "name": project.name,
        "quotas": project.quotas,
        "retention_days": project.retention_days,
        "created_at": project.created_at,
    }


def key_document(key: ApiKey) -> Document:
    shown = ("name", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at")
    values = {name: getattr(key, name) for name in shown}
    return {"id": key.id, "object": "key", "projects": "*" if key.projects is None else key.projects, **values}


def everywhere(caller: Principal) -> None:
    """Raises Forbidden for a key of some projects only."""
    if caller.projects is not None:
        raise Forbidden("This takes a key for all projects.")


def list_projects(session: ProjectSession, caller: Principal, *, after: str | None, limit: int) -> Document:
    rows = repository.projects_after(session, caller.projects, after, limit)
    return page([project_document(row) for row in rows], limit)


def find_project(session: ProjectSession, caller: Principal, project_id: str) -> Project:
    """Raises NotFound."""
    project = repository.get_project(session, project_id) if caller.may_enter(project_id) else None
    if project is None:
        raise NotFound("There is no such project.")
    return project


def set_limits(quotas: Quotas) -> dict[str, int]:
    return quotas.model_dump(exclude_none=True)


def create_project(session: ProjectSession, caller: Principal, wanted: NewProject) -> Document:
    everywhere(caller)
    refuse_taken(session, wanted.name, None)
    values = {"quotas": set_limits(wanted.quotas), "retention_days": wanted.retention_days}
    project = repository.add_project(session, Project(id=new_id("prj"), name=wanted.name, **values))
    return project_document(project)


def change_project(session: ProjectSession, caller: Principal, project_id: str, wanted: ProjectChange) -> Document:
    project = find_project(session, caller, project_id)
    if "name" in wanted.model_fields_set:
        refuse_taken(session, wanted.name, project_id)
        project.name = wanted.name
    if "quotas" in wanted.model_fields_set:
        project.quotas = set_limits(wanted.quotas)
        repository.announce_keys(session)  # rates are remembered with the keys
    if "retention_days" in wanted.model_fields_set:
        project.retention_days = wanted.retention_days
    session.flush()
    return project_document(project)


def refuse_taken(session: ProjectSession, name: str, own_id: str | None) -> None:
    if repository.project_of_name(session, name) not in (None, own_id):
        raise Conflict("Another project has this name.", code="name_taken")


def remove_project(session: ProjectSession, caller: Principal, project_id: str) -> None:
    """With its ended jobs, its uploads and all their files.

    Raises Conflict while a job has not ended, or a data set is published.
    """
    everywhere(caller)
    project = find_project(session, caller, project_id)
    repository.lock_project(session, project_id)
    with ProjectSession(project_id) as inside:  # its rows are seen by nobody else
        jobs = repository.jobs_of_project(inside)
        published = repository.has_published(inside, project_id)
        sets, weights = datasets.everything(inside, project_id), weights_files(inside, project_id)
    if published:
        raise Conflict("Others may use data sets that the project has published.", code="state_conflict")
    if any(not ended for _, ended in jobs):
        raise Conflict("The project has jobs that have not ended.", code="state_conflict")
    repository.remove_project(session, project.id)
    repository.announce_keys(session)
    session.after_commit += [partial(storage.remove_job, job_id) for job_id, _ in jobs]
    session.after_commit += [partial(datasets.release, removed) for removed in sets]
    session.after_commit += [partial(blobs.release, get_settings().store_path, sha256) for sha256 in weights]


def list_keys(session: ProjectSession, caller: Principal, *, after: str | None, limit: int) -> Document:
    rows = repository.keys_after(session, caller.projects, after, limit)
    return page([key_document(row) for row in rows], limit)


def create_key(session: ProjectSession, caller: Principal, wanted: NewKey) -> Document:
    """The only answer that has the secret. Raises Forbidden, InvalidPayload."""
    projects = None if wanted.projects == "*" else list(dict.fromkeys(wanted.projects))
    if projects is None:
        everywhere(caller)
    for index, project_id in enumerate(projects or ()):
        if not caller.may_enter(project_id) or repository.get_project(session, project_id) is None:
            wrong = PointedError(pointer=f"/projects/{index}", detail="there is no such project")
            raise InvalidPayload("There is no such project.", errors=[wrong])
    secret = service.create_key(session, wanted.name, wanted.scopes, projects, expires_at=wanted.expires_at)
    return key_document(find_key(session, caller, service.key_id(secret))) | {"secret": secret}


def find_key(session: ProjectSession, caller: Principal, key_id: str) -> ApiKey:
    """Raises NotFound, also for a key that opens more than the caller's own does."""
    key = repository.find_key(session, key_id)
    mine = key is not None and (
        caller.projects is None or (key.projects is not None and set(key.projects) <= set(caller.projects))
    )
    if key is None or not mine:
        raise NotFound("There is no such key.")
    return key


def revoke_key(session: ProjectSession, caller: Principal, key_id: str) -> None:
    key = find_key(session, caller, key_id)
    if key.revoked_at is None:
        key.revoked_at = func.now()
    forget(session)


def rotate_key(session: ProjectSession, caller: Principal, key_id: str) -> Document:
    """A new secret under the same id; the old one is dead at once. Raises Conflict for a revoked key."""
    key = find_key(session, caller, key_id)
    if key.revoked_at is not None:
        raise Conflict("The key is revoked.", code="state_conflict")
    secret = service.renew_secret(key)
    forget(session)
    return key_document(key) | {"secret": secret}


def forget(session: ProjectSession) -> None:
    """This process forgets at once, the others when they hear of it."""
    session.flush()
    repository.announce_keys(session)
    session.after_commit.append(remembered.clear)


def create_token(session: ProjectSession, wanted: NewToken) -> Document:
    """A key that only reads the jobs named, or a sweep, for seven days at most. Raises InvalidPayload."""
    if (wanted.jobs is None) == (wanted.sweep_id is None):
        wrong = PointedError(pointer="/jobs", detail="give either jobs or a sweep_id")
        raise InvalidPayload("A token is for jobs or for a sweep.", errors=[wrong])
    found = jobs_of_token(session, wanted)
    assert session.project_id is not None
    expires_at = datetime.now(UTC) + timedelta(seconds=wanted.expires_in)
    opened = sorted(found) + ([wanted.sweep_id] if wanted.sweep_id is not None else [])
    secret = service.create_token(session, session.project_id, opened, expires_at)
    shown = {"jobs": sorted(found), "sweep_id": wanted.sweep_id, "expires_at": expires_at}
    return {"id": service.key_id(secret), "object": "token", "secret": secret, **shown}


def jobs_of_token(session: ProjectSession, wanted: NewToken) -> set[str]:
    """The jobs named, or the points of the sweep. Raises InvalidPayload for what is not there."""
    if wanted.sweep_id is not None:
        found = repository.points_of_sweep(session, wanted.sweep_id)
        if not found:
            wrong = PointedError(pointer="/sweep_id", detail="there is no such sweep")
            raise InvalidPayload("There is no such sweep.", errors=[wrong])
        return found
    named = wanted.jobs or []
    there = {str(row["id"]) for row in get_jobs(session, named)}
    for index, job_id in enumerate(named):
        if job_id not in there:
            wrong = PointedError(pointer=f"/jobs/{index}", detail="there is no such job")
            raise InvalidPayload("There is no such job.", errors=[wrong])
    return there
