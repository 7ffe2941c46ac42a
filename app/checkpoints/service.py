"""A job's checkpoints: what there is, and their bytes."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from app import storage
from app.aliases.references import refuse_named
from app.checkpoints import repository
from app.checkpoints.repository import Row
from app.database import ProjectSession
from app.errors import Conflict, NotFound
from app.jobs.repository import announce
from app.jobs.service import find
from app.lists import page


@dataclass(frozen=True)
class Download:
    """A file to be streamed: a head made here, then slices of what is stored."""

    path: Path
    head: bytes
    slices: list[storage.Slice]
    filename: str
    tag: str

    @property
    def size(self) -> int:
        return len(self.head) + sum(length for _, length in self.slices)


def document(row: Row, job: Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "object": "checkpoint",
        "job_id": row["job_id"],
        "epoch": row["epoch"],
        "step": row["step"],
        "attempt": row["attempt"],
        "bytes": row["bytes"],
        "sha256": row["sha256"],
        "values": row["values"],
        "reason": row["reason"],
        "is_latest": row["id"] == job["latest_checkpoint_id"],
        "is_best": row["id"] == job["best_checkpoint_id"],
        "pinned": row["pinned"],
        "created_at": row["created_at"],
    }


def listing(
    session: ProjectSession, job_id: str, *, after: str | None, limit: int, newest_first: bool
) -> dict[str, Any]:
    job = find(session, job_id)
    rows = repository.list_checkpoints(session, job_id, after=after, limit=limit, newest_first=newest_first)
    return page([document(row, job) for row in rows], limit)


def show(session: ProjectSession, job_id: str, checkpoint_id: str) -> dict[str, Any]:
    job = find(session, job_id)
    return document(one(session, job, checkpoint_id), job)


def one(session: ProjectSession, job: Row, checkpoint_id: str) -> Row:
    """A checkpoint by id, or the job's `latest` or `best`. Raises NotFound."""
    named = {"latest": job["latest_checkpoint_id"], "best": job["best_checkpoint_id"]}
    wanted = named.get(checkpoint_id, checkpoint_id)
    row = None if wanted is None else repository.get_checkpoint(session, job["id"], wanted)
    if row is None:
        raise NotFound("The job has no such checkpoint.")
    return row


def weights(session: ProjectSession, job_id: str, checkpoint_id: str) -> Download:
    """The model alone, as safetensors. Raises Conflict for a file that is lost or damaged."""
    row = one(session, find(session, job_id), checkpoint_id)
    session.rollback()  # no connection is held while a large file is hashed
    path = storage.locate(row["path"], row["bytes"], row["sha256"])
    head, slices = storage.weights_of(path)
    return Download(path, head, slices, f"{row['id']}-weights.safetensors", f'"{row["sha256"]}-weights"')


def state(session: ProjectSession, job_id: str, checkpoint_id: str) -> Download:
    """The whole training state, as it was written."""
    row = one(session, find(session, job_id), checkpoint_id)
    session.rollback()
    path = storage.locate(row["path"], row["bytes"], row["sha256"])
    return Download(path, b"", [(0, row["bytes"])], f"{row['id']}.safetensors", f'"{row["sha256"]}"')


def pin(session: ProjectSession, job_id: str, checkpoint_id: str, *, pinned: bool) -> dict[str, Any]:
    """A pinned checkpoint stays, however many newer ones come. Raises Conflict to unpin what an alias stands for."""
    row = one(session, find(session, job_id, lock=True), checkpoint_id)
    if not pinned:
        refuse_named(session, job_id, row["id"])
    if row["pinned"] != pinned:
        repository.set_pinned(session, row["id"], pinned)
        announce(session, job_id)
    return show(session, job_id, row["id"])


def remove(session: ProjectSession, job_id: str, checkpoint_id: str) -> None:
    """The row, and its file once the row is gone. Raises Conflict for one that is pinned or that the job points to."""
    job = find(session, job_id, lock=True)
    row = one(session, job, checkpoint_id)
    if row["pinned"]:
        raise Conflict("The checkpoint is pinned.", code="state_conflict")
    if row["id"] in (job["latest_checkpoint_id"], job["best_checkpoint_id"]):
        raise Conflict("The checkpoint is the job's latest or best.", code="state_conflict")
    repository.delete_checkpoint(session, row["id"])
    session.after_commit.append(partial(storage.remove_file, row["path"]))
