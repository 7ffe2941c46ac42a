"""Uploads become data sets: looked through, numbered by name, stored once for each content."""

import hashlib
import json
import re
import shutil
from datetime import UTC, datetime
from typing import Any, NamedTuple

from app import blobs
from app.database import ProjectSession, session_scope
from app.datasets import repository
from app.datasets.documents import document
from app.datasets.errors import DatasetError, DatasetTooLarge
from app.datasets.formats import FORMATS, Description, guess_format
from app.datasets.inspect import inspect
from app.datasets.limits import Limits
from app.errors import Conflict, NotFound, PayloadTooLarge
from app.ids import new_id
from app.lists import page
from app.models import Dataset
from app.projects.audit import record
from app.projects.quotas import check_upload
from app.settings import get_settings
from app.uploads import Upload, UploadedFile, refusal

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}")
FIELDS = ("name", "format", "target")
FILES = tuple(dict.fromkeys(role for format in FORMATS.values() for role in format.roles))


class Removed(NamedTuple):
    """SHA-256 of a data set's content, and of its files."""

    sha256: str
    files: list[str]


def create(project_id: str, upload: Upload) -> dict[str, Any]:
    """The new data set. Raises InvalidPayload, PayloadTooLarge, TooManyRequests."""
    name = upload.fields.get("name", "").strip()
    if not NAME.fullmatch(name):
        detail = "is required: 1 to 100 letters, digits, spaces, '.', '_', '-', the first a letter or digit"
        raise refusal("/name", detail)
    format = _format(upload)
    description = look_through(format, upload.files, upload.fields.get("target") or None)
    values = {
        "id": new_id("ds"),
        "project_id": project_id,
        "name": name,
        "format": format,
        "sha256": content_sha256(upload.files),
        "bytes": sum(file.bytes for file in upload.files.values()),
        "samples": description["samples"],
        "description": description,
    }
    store = get_settings().store_path
    hashes = {role: file.sha256 for role, file in upload.files.items()}
    try:
        with ProjectSession(project_id) as session, session.begin():
            check_upload(session, project_id, values["bytes"], "dataset_bytes")
            values["version"] = repository.take_version(session, project_id, name)
            for file in sorted(upload.files.values(), key=lambda file: file.sha256):  # one order: no deadlocks
                blobs.keep(session, store, file)
            repository.insert_dataset(session, values, hashes)
            record(session, values["id"])
            dataset = repository.get_dataset(session, project_id, values["id"])
            assert dataset is not None
            return document(dataset)
    except BaseException:
        release(Removed(values["sha256"], list(hashes.values())))
        raise


def _format(upload: Upload) -> str:
    roles = frozenset(upload.files)
    if not roles:
        raise refusal("/file", "is required (for IDX: images and labels)")
    format = upload.fields.get("format") or guess_format(roles, next(iter(upload.files.values())).filename)
    if format is None:
        raise refusal("/format", f"cannot be guessed from the file's name; give one of {', '.join(FORMATS)}")
    if format not in FORMATS:
        raise refusal("/format", f"must be one of {', '.join(FORMATS)}")
    for role in FORMATS[format].roles:
        if role not in roles:
            raise refusal(f"/{role}", f"is required for the format {format}")
    for role in roles - set(FORMATS[format].roles):
        raise refusal(f"/{role}", f"is not a file of the format {format}")
    return format


def look_through(format: str, files: dict[str, UploadedFile], target: str | None) -> Description:
    """What the files hold, by a process of its own. Raises InvalidPayload, PayloadTooLarge."""
    settings = get_settings()
    limits = Limits(seconds=settings.upload_seconds, memory_bytes=settings.upload_memory_bytes)
    try:
        return inspect(format, {role: file.path for role, file in files.items()}, target, limits)
    except DatasetTooLarge as error:
        raise PayloadTooLarge(f"The data set {error}.") from error
    except DatasetError as error:
        pointer = error.pointer if error.pointer != "/file" or "file" in files else "/images"
        raise refusal(pointer, str(error)) from error


def content_sha256(files: dict[str, UploadedFile]) -> str:
    """The file's own hash, or the hash of the JSON of its files' hashes by role."""
    if list(files) == ["file"]:
        return files["file"].sha256
    listed = json.dumps({role: files[role].sha256 for role in sorted(files)})
    return hashlib.sha256(listed.encode()).hexdigest()


def show(session: ProjectSession, project_id: str, dataset_id: str) -> dict[str, Any]:
    """Raises NotFound."""
    dataset = repository.get_dataset(session, project_id, dataset_id)
    if dataset is None:
        raise NotFound("There is no such data set.")
    return document(dataset)


def listing(
    session: ProjectSession, project_id: str, *, name: str | None, after: str | None, limit: int, newest_first: bool
) -> dict[str, Any]:
    found = repository.list_datasets(
        session, project_id, name=name, after=after, limit=limit, newest_first=newest_first
    )
    return page([document(dataset) for dataset in found], limit)


def remove(session: ProjectSession, project_id: str, dataset_id: str) -> Removed:
    """What to `release` afterwards. Raises NotFound, and Conflict while a job that has not ended needs it."""
    dataset = find_own(session, project_id, dataset_id)
    if dataset.published_at is not None:
        raise Conflict("The data set is published for all projects; withdraw it first.", code="state_conflict")
    if (job_id := repository.needed_by(session, project_id, dataset_id)) is not None:
        raise Conflict(f"The job {job_id} needs the data set and has not ended.", code="dataset_in_use")
    hashes = repository.files_of(session, dataset_id)
    repository.delete_dataset(session, dataset_id)
    return Removed(dataset.sha256, list(hashes.values()))


def find_own(session: ProjectSession, project_id: str, dataset_id: str) -> Dataset:
    """Raises NotFound, also for what another project has published."""
    dataset = repository.get_own(session, project_id, dataset_id)
    if dataset is None:
        raise NotFound("The project has no such data set.")
    return dataset


def publish(session: ProjectSession, project_id: str, dataset_id: str, *, published: bool) -> dict[str, Any]:
    """Let all projects read it, or none but its own again. Raises Conflict while another's job needs it."""
    dataset = find_own(session, project_id, dataset_id)
    if not published and dataset.published_at is not None:
        with session_scope("descent_worker") as everywhere:
            if repository.needed_by(everywhere, project_id, dataset_id, elsewhere=True) is not None:
                raise Conflict("A job of another project needs it and has not ended.", code="dataset_in_use")
    if published != (dataset.published_at is not None):
        dataset.published_at = datetime.now(UTC) if published else None
        session.flush()
    return document(dataset)


def everything(session: ProjectSession, project_id: str) -> list[Removed]:
    """What to `release` once the whole project is gone."""
    return [Removed(sha256, list(files)) for sha256, files in repository.files_of_project(session, project_id)]


def release(removed: Removed) -> None:
    """Once the data set's end is committed: remove the files that nothing else needs, and what was made of them."""
    store = get_settings().store_path
    gone = [blobs.release(store, sha256) for sha256 in removed.files]
    if all(gone):
        for folder in blobs.columns_folder(store).glob(f"{removed.sha256}-*"):
            shutil.rmtree(folder, ignore_errors=True)
