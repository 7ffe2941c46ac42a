"""Uploads become weights: their headers checked, stored once for each content."""

import math
from typing import Any

from app import blobs
from app.database import ProjectSession
from app.errors import Conflict, NotFound
from app.ids import new_id
from app.lists import page
from app.models import Weights
from app.projects.audit import record
from app.projects.quotas import check_upload
from app.settings import get_settings
from app.uploads import Upload, refusal
from app.weights import repository
from app.weights.header import BadWeights, read_tensors

FIELDS = ("name",)
FILES = ("file",)
MAX_NAME = 200
Document = dict[str, Any]


def document(row: Weights, *, full: bool = True) -> Document:
    tensors = [{"name": name, **entry} for name, entry in row.tensors.items()]
    return {
        "id": row.id,
        "object": "weights",
        "name": row.name,
        "parameters": sum(math.prod(tensor["shape"]) for tensor in tensors),
        **({"tensors": tensors} if full else {}),
        "bytes": row.bytes,
        "sha256": row.sha256,
        "created_at": row.created_at,
    }


def create(project_id: str, upload: Upload) -> Document:
    """The new weights. Raises InvalidPayload for what is no safetensors file, TooManyRequests over quota."""
    name = upload.fields.get("name", "").strip() or None
    if name is not None and (len(name) > MAX_NAME or "\0" in name):
        raise refusal("/name", f"has at most {MAX_NAME} characters, none of them U+0000")
    if "file" not in upload.files:
        raise refusal("/file", "is required: a safetensors file")
    file = upload.files["file"]
    try:
        tensors = read_tensors(file.path)
    except BadWeights as error:
        raise refusal("/file", str(error)) from error
    weights_id = new_id("wts")
    values = {
        "id": weights_id,
        "project_id": project_id,
        "name": name,
        "sha256": file.sha256,
        "bytes": file.bytes,
        "tensors": tensors,
    }
    store = get_settings().store_path
    try:
        with ProjectSession(project_id) as session, session.begin():
            check_upload(session, project_id, file.bytes, "storage_bytes")
            blobs.keep(session, store, file)
            repository.insert_weights(session, values)
            record(session, weights_id)
            row = repository.get_weights(session, project_id, weights_id)
            assert row is not None
            return document(row)
    except BaseException:
        blobs.release(store, file.sha256)
        raise


def find(session: ProjectSession, project_id: str, weights_id: str) -> Weights:
    """An upload. Raises NotFound."""
    row = repository.get_weights(session, project_id, weights_id)
    if row is None or row.job_id is not None:
        raise NotFound("There are no such weights.")
    return row


def listing(session: ProjectSession, project_id: str, *, after: str | None, limit: int, newest_first: bool) -> Document:
    rows = repository.list_uploads(session, project_id, after=after, limit=limit, newest_first=newest_first)
    return page([document(row, full=False) for row in rows], limit)


def remove(session: ProjectSession, project_id: str, weights_id: str) -> str:
    """The SHA-256 of the file to release. Raises NotFound, and Conflict while a job that has not ended needs it."""
    repository.lock(session, weights_id)
    row = find(session, project_id, weights_id)
    if (job_id := repository.needed_by(session, project_id, weights_id, ended=False)) is not None:
        raise Conflict(f"The job {job_id} needs the weights and has not ended.", code="weights_in_use")
    repository.delete_weights(session, project_id, weights_id)
    return row.sha256
