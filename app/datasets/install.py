"""`descent datasets install`: a big built-in set from its original archives, checked by hash, for all projects."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from app import blobs
from app.database import session_scope
from app.datasets import repository
from app.datasets.errors import DatasetError
from app.datasets.inspect import inspect
from app.datasets.installable import INSTALLABLE, Installable
from app.datasets.limits import Limits
from app.datasets.service import content_sha256
from app.ids import new_id
from app.settings import get_settings
from app.uploads import UploadedFile

CHUNK_BYTES = 2**20
MAX_ARCHIVE_BYTES = 2 * 2**30
Report = Callable[[str], None]


def install(name: str, source: str | None, sha256: Mapping[str, str], report: Report) -> dict[str, int]:
    """Samples by part. `source`: a file or URL instead of the original's (a folder, where a set has several files);
    `sha256`: hashes by file name instead of the originals'. Raises DatasetError.
    """
    known = INSTALLABLE[name]
    store = get_settings().store_path
    uploads = store / "uploads"
    uploads.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=uploads, prefix=f"{name}-"))
    try:
        archives = {}
        for file in known.sha256:
            report(f"{name}: {file}")
            archives[file] = folder / file
            check(file, fetch(place_of(known, file, source), archives[file]), sha256.get(file) or known.sha256[file])
        parts = {
            part: {role: as_upload(path) for role, path in files.items()}
            for part, files in known.convert(archives, folder).items()
        }
        described = {part: describe(known.format, files) for part, files in parts.items()}
        replace(name, known.format, parts, described, store)
        return {part: description["samples"] for part, description in described.items()}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def place_of(known: Installable, file: str, source: str | None) -> str:
    """Path or URL of one archive."""
    place = source or known.url
    several = len(known.sha256) > 1
    if place.startswith(("http://", "https://")):
        return place.rstrip("/") + "/" + file if several or place.endswith("/") else place
    return str(Path(place) / file) if several or Path(place).is_dir() else place


def fetch(place: str, path: Path) -> str:
    """Copy an archive to a path; its SHA-256."""
    digest, size = hashlib.sha256(), 0
    with opened(place) as chunks, path.open("wb") as file:
        for chunk in chunks:
            size += len(chunk)
            if size > MAX_ARCHIVE_BYTES:
                raise DatasetError(f"{place} is larger than {MAX_ARCHIVE_BYTES:,} bytes")
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


@contextmanager
def opened(place: str) -> Iterator[Iterator[bytes]]:
    """The bytes at a path or URL, in chunks."""
    if not place.startswith(("http://", "https://")):
        try:
            file = open(place, "rb")  # noqa: SIM115 (closed below; what its reader fails at is not this file's fault)
        except OSError as error:
            raise DatasetError(f"{place} cannot be read: {error.strerror}") from error
        with file:
            yield iter(lambda: file.read(CHUNK_BYTES), b"")
        return
    try:
        with httpx.stream("GET", place, follow_redirects=True, timeout=60) as response:
            response.raise_for_status()
            yield response.iter_raw(CHUNK_BYTES)  # as they are: a server may call a .gz an encoding
    except httpx.HTTPError as error:
        raise DatasetError(f"{place} cannot be fetched: {error}") from error


def check(file: str, found: str, expected: str) -> None:
    if found != expected.lower():
        raise DatasetError(f"{file} has the SHA-256 {found}, not {expected} (--sha256 takes another)")


def as_upload(path: Path) -> UploadedFile:
    """A file that was made here, synced, as if it had been uploaded."""
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return UploadedFile(path.name, path, sha256, path.stat().st_size)


def describe(format: str, files: Mapping[str, UploadedFile]) -> dict[str, Any]:
    settings = get_settings()
    limits = Limits(seconds=settings.upload_seconds, memory_bytes=settings.upload_memory_bytes)
    return inspect(format, {role: file.path for role, file in files.items()}, None, limits)


def replace(
    name: str,
    format: str,
    parts: Mapping[str, dict[str, UploadedFile]],
    described: Mapping[str, dict[str, Any]],
    store: Path,
) -> None:
    """In one transaction: the new parts instead of those of an earlier installation."""
    with session_scope("descent_worker") as session:
        earlier = repository.get_installed(session, name)
        old = [sha256 for row in earlier.values() for sha256 in repository.files_of(session, row.id).values()]
        for row in earlier.values():
            repository.delete_dataset(session, row.id)
        for part, files in parts.items():
            for file in sorted(files.values(), key=lambda file: file.sha256):
                blobs.keep(session, store, file)
            values = {
                "id": new_id("ds"),
                "project_id": None,
                "name": name,
                "version": 1,
                "part": part,
                "format": format,
                "sha256": content_sha256(files),
                "bytes": sum(file.bytes for file in files.values()),
                "samples": described[part]["samples"],
                "description": described[part],
            }
            repository.insert_dataset(session, values, {role: file.sha256 for role, file in files.items()})
    for sha256 in old:
        blobs.release(store, sha256)
