"""From what a spec says of its initial weights to a file that will still be there when the job starts.

`find` at the check of a spec, `hold` in the transaction that stores its job, `let_go` when a job is deleted.
A checkpoint is held by a second name of its file among the blobs: neither its job's retention nor the job's end
takes it away from a job that starts from it, or that is to be reproduced.
"""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy.orm import Session

from app import blobs, storage
from app.database import ProjectSession, session_scope
from app.datasets.references import Catalog
from app.errors import Conflict
from app.jobs.spec import JobSpec, SpecError
from app.models import Checkpoint, Weights
from app.settings import get_settings
from app.weights import repository
from app.weights.header import BadWeights, Tensors, read_tensors
from app.weights.stored import CHECKPOINT_PREFIX, StoredFile, reference_in, shapes_of

POINTER = "/model/initial_weights"
ID = re.compile(r"(wts|job|ckpt)_[0-9a-z]{26}")


@dataclass(frozen=True)
class Found:
    """`file` as workers are told of it; for a checkpoint that is not held yet, its `row` and `tensors`."""

    file: StoredFile
    row: Checkpoint | None = None
    tensors: Tensors | None = None


_FOUND: WeakKeyDictionary[Catalog, dict[tuple[str | None, ...], Found]] = WeakKeyDictionary()


def of_spec(catalog: Catalog, spec: JobSpec) -> Found | None:
    """What the spec's model starts from; through one catalog, `latest` stays the same one. Raises SpecError."""
    named = spec.model.initial_weights
    if named is None:
        return None
    key = (named.job, named.checkpoint, named.upload)
    found = _FOUND.setdefault(catalog, {})
    if key not in found:
        found[key] = find(catalog.project_id, named.model_dump())
    return found[key]


def find(project_id: str, named: dict[str, Any]) -> Found:
    """What the spec names, with the checkpoint's id where it says `latest` or `best`. Raises SpecError."""
    with ProjectSession(project_id) as session:
        if named.get("upload") is not None:
            held = _held(session, project_id, named["upload"])
            if held is None or held.job_id is not None:
                raise refusal("upload", f"there are no weights {named['upload']!r}")
            return Found(_stored(held))
        return _checkpoint(session, project_id, named["job"], named.get("checkpoint") or "latest")


def _held(session: Session, project_id: str, weights_id: str) -> Weights | None:
    return repository.get_weights(session, project_id, weights_id) if ID.fullmatch(weights_id) else None


def _checkpoint(session: Session, project_id: str, job_id: str, wanted: str) -> Found:
    job = repository.find_job(session, project_id, job_id) if ID.fullmatch(job_id) else None
    if job is None and wanted in ("latest", "best"):
        raise refusal("job", f"there is no job {job_id!r}")
    if wanted in ("latest", "best"):
        assert job is not None
        newest = job[wanted]
        if newest is None:
            hint = " (checkpoint.keep_best saves one)" if wanted == "best" else ""
            raise refusal("checkpoint", f"the job has no {wanted} checkpoint yet{hint}")
        wanted = newest
    held = _held(session, project_id, wanted)
    if held is not None and held.job_id == job_id:
        return Found(_stored(held))
    if job is None:
        raise refusal("job", f"there is no job {job_id!r}")
    row = repository.get_checkpoint(session, project_id, job_id, wanted) if ID.fullmatch(wanted) else None
    if row is None:
        raise refusal("checkpoint", f"the job has no checkpoint {wanted!r}")
    session.rollback()  # no connection is held while a large file is hashed
    try:
        everything = read_tensors(storage.locate(row.path, row.bytes, row.sha256))
    except (Conflict, BadWeights, OSError) as error:
        raise refusal("checkpoint", f"its file cannot be read: {error}") from error
    weights = {
        name.removeprefix(CHECKPOINT_PREFIX): entry
        for name, entry in everything.items()
        if name.startswith(CHECKPOINT_PREFIX)
    }
    file = StoredFile(row.id, row.sha256, row.bytes, CHECKPOINT_PREFIX, shapes_of(weights))
    return Found(file, row, weights)


def _stored(row: Weights) -> StoredFile:
    prefix = "" if row.job_id is None else CHECKPOINT_PREFIX
    return StoredFile(row.id, row.sha256, row.bytes, prefix, shapes_of(row.tensors))


def refusal(key: str, detail: str) -> SpecError:
    return SpecError([{"pointer": f"{POINTER}/{key}", "detail": detail}])


def resolved_with(resolved: dict[str, Any], found: Found) -> dict[str, Any]:
    """The resolved spec with the id of the checkpoint that is meant."""
    named = resolved["model"]["initial_weights"]
    if named["job"] is not None:
        named = {**named, "checkpoint": found.file.reference}
    return {**resolved, "model": {**resolved["model"], "initial_weights": named}}


def hold(session: ProjectSession, found: Found) -> None:
    """Keep the file for a job that is stored in this transaction. Raises Conflict where it is gone meanwhile."""
    assert session.project_id is not None
    file, row = found.file, found.row
    repository.lock(session, file.reference)
    if repository.get_weights(session, session.project_id, file.reference) is not None:
        return
    if row is None:
        raise Conflict("The initial weights were removed meanwhile.", code="weights_gone")
    link(session, get_settings().store_path, row.path, row.sha256, row.bytes)
    values = {
        "id": row.id,
        "project_id": session.project_id,
        "job_id": row.job_id,
        "sha256": row.sha256,
        "bytes": row.bytes,
        "tensors": found.tensors,
    }
    repository.keep_weights(session, values)


def link(session: Session, store: Path, relative: str, sha256: str, size: int) -> None:
    """Give a file of the store a second name among the blobs; where links are not to be had, copy it."""

    def place(path: Path) -> None:
        try:
            os.link(store / relative, path)
        except FileExistsError:
            return
        except FileNotFoundError:
            raise Conflict("The checkpoint was removed meanwhile.", code="checkpoint_lost") from None
        except OSError:
            partial_copy = path.with_name(path.name + ".tmp")
            shutil.copyfile(store / relative, partial_copy)
            os.replace(partial_copy, path)

    blobs.keep_as(session, store, sha256, size, place)


def let_go(session: ProjectSession, resolved: dict[str, Any], parent: str | None) -> None:
    """A job was deleted: the checkpoints that it started from go too, unless another job names them."""
    for reference in {reference_in(resolved), parent} - {None}:
        assert reference is not None
        _let_go(session, reference)


def _let_go(session: ProjectSession, reference: str) -> None:
    if session.project_id is None:
        return
    repository.lock(session, reference)
    row = repository.get_weights(session, session.project_id, reference)
    if row is None or row.job_id is None:
        return
    if repository.needed_by(session, session.project_id, reference, ended=True) is None:
        repository.delete_weights(session, session.project_id, reference)
        release: Callable[[], object] = partial(blobs.release, get_settings().store_path, row.sha256)
        session.after_commit.append(release)


def told(project_id: str, resolved: dict[str, Any]) -> dict[str, Any] | None:
    """What a trainer is told of its initial weights; None where it has none, or they are gone."""
    reference = reference_in(resolved)
    if reference is None:
        return None
    with session_scope("descent_worker") as session:
        row = repository.get_weights(session, project_id, reference)
        return None if row is None else _stored(row).as_json()
