"""Names on checkpoints: moved atomically, with their history; what a name stands for is pinned."""

from typing import Any

from app.aliases import repository
from app.aliases.repository import Row
from app.aliases.schemas import NewAlias
from app.checkpoints import service as checkpoints
from app.checkpoints.repository import set_pinned
from app.database import ProjectSession
from app.errors import InvalidPayload, NotFound, PointedError
from app.jobs.moves import PreconditionFailed
from app.jobs.repository import announce
from app.jobs.service import find
from app.lists import page
from app.projects.audit import current_write

HISTORY = 100

Document = dict[str, Any]


def document(row: Row) -> Document:
    return {
        "id": row["name"],
        "object": "alias",
        "name": row["name"],
        "checkpoint": row["checkpoint_id"],
        "job_id": row["job_id"],
        "version": row["version"],
        "changed_at": row["changed_at"],
        "changed_by": row["changed_by"],
    }


def move_document(row: Row) -> Document:
    shown = {key: row[key] for key in ("version", "job_id", "moved_at", "moved_by")}
    return {**shown, "checkpoint": row["checkpoint_id"]}


def show(session: ProjectSession, name: str) -> tuple[Document, str]:
    """The alias with its newest moves, and its entity tag. Raises NotFound."""
    row = repository.get_alias(session, name)
    if row is None:
        raise NotFound("There is no such alias.")
    history = [move_document(entry) for entry in repository.history(session, name, HISTORY)]
    return {**document(row), "history": history}, f'"{row["version"]}"'


def listing(session: ProjectSession, *, after: str | None, limit: int) -> Document:
    return page([document(row) for row in repository.aliases_after(session, after, limit)], limit)


def put(
    session: ProjectSession, name: str, wanted: NewAlias, if_match: str | None, if_none_match: str | None
) -> tuple[Document, str, bool]:
    """Let the name stand for a checkpoint: the document, its tag, and whether the name is new.

    Raises InvalidPayload for a checkpoint that is not there, PreconditionFailed for a client that saw another version.
    """
    assert session.project_id is not None
    alias = repository.lock_alias(session, session.project_id, name)
    check(alias, if_match, if_none_match)
    job_id, checkpoint = target(session, wanted)
    if alias["checkpoint_id"] != checkpoint["id"]:
        if not checkpoint["pinned"]:
            set_pinned(session, checkpoint["id"], True)
            announce(session, job_id)
        repository.move(session, alias, job_id, checkpoint["id"], caller())
    return *show(session, name), alias["checkpoint_id"] is None


def target(session: ProjectSession, wanted: NewAlias) -> tuple[str, Row]:
    """The checkpoint meant, its job locked: retention does not take it meanwhile."""
    named = wanted.checkpoint in ("latest", "best")
    if named and wanted.job_id is None:
        wrong = PointedError(pointer="/job_id", detail="`latest` and `best` are of a job: say which")
        raise InvalidPayload("The job is missing.", errors=[wrong])
    job_id = wanted.job_id or repository.job_of_checkpoint(session, wanted.checkpoint)
    try:
        if job_id is None:
            raise NotFound("There is no such checkpoint.")
        job = find(session, job_id, lock=True)
    except NotFound as error:
        pointer = "/checkpoint" if wanted.job_id is None else "/job_id"
        raise InvalidPayload(error.detail, errors=[PointedError(pointer=pointer, detail="is not there")]) from None
    try:
        return job_id, checkpoints.one(session, job, wanted.checkpoint)
    except NotFound as error:
        wrong = PointedError(pointer="/checkpoint", detail="is not there")
        raise InvalidPayload(error.detail, errors=[wrong]) from None


def remove(session: ProjectSession, name: str, if_match: str | None) -> None:
    """Take the name off; its checkpoint stays, pinned. Raises NotFound, PreconditionFailed."""
    assert session.project_id is not None
    alias = repository.lock_alias(session, session.project_id, name)
    if alias["checkpoint_id"] is None:
        repository.forget(session, name)
        raise NotFound("There is no such alias.")
    check(alias, if_match, None)
    repository.move(session, alias, None, None, caller())


def check(alias: Row, if_match: str | None, if_none_match: str | None) -> None:
    """`If-Match: "3"` moves what stands at version 3, `If-None-Match: *` makes a new name and moves none."""
    there = alias["checkpoint_id"] is not None
    tags = [tag.strip().removeprefix("W/").strip('"') for tag in (if_match or "").split(",")]
    if if_match is not None and not (there and (tags == ["*"] or str(alias["version"]) in tags)):
        raise PreconditionFailed(f"The alias is at version {alias['version']}." if there else "There is no such alias.")
    if if_none_match is not None and if_none_match.strip() == "*" and there:
        raise PreconditionFailed("The alias is there already.")


def caller() -> str | None:
    write = current_write.get()
    return None if write is None else write.key_id
