"""Files that are stored once for each content: `<store>/blobs/<first two of the sha256>/<sha256>`.

A file is there before its row is committed, and its row is deleted before the file; an advisory lock on the content
keeps whoever removes it and whoever uploads it again apart. Foreign keys say whether it is still needed.
"""

import os
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.database import ProjectSession
from app.models import Blob
from app.uploads import UploadedFile


def blob_path(store: Path, sha256: str) -> Path:
    return store / "blobs" / sha256[:2] / sha256


def columns_folder(store: Path) -> Path:
    """Where workers keep the arrays they made of data sets: folders whose names begin with the content's SHA-256."""
    return store / "prepared" / "columns"


def keep(session: Session, store: Path, uploaded: UploadedFile) -> None:
    """Move an uploaded file to its place, with its row, which is there when the caller commits."""
    # also over an equal file: it costs nothing and mends a lost one
    keep_as(session, store, uploaded.sha256, uploaded.bytes, lambda path: os.replace(uploaded.path, path))


def keep_as(session: Session, store: Path, sha256: str, size: int, place: Callable[[Path], None]) -> None:
    """The same for a file that `place` puts where it is told."""
    _lock(session, sha256)
    row = insert(Blob).values(sha256=sha256, bytes=size)
    session.execute(row.on_conflict_do_nothing())
    path = blob_path(store, sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    place(path)
    for folder in (path.parent, path.parent.parent, store):
        _sync(folder)


def release(store: Path, sha256: str) -> bool:
    """Remove a file that no row needs any more, in a transaction of its own. False: it is still needed."""
    with ProjectSession(None) as session, session.begin():
        _lock(session, sha256)
        try:
            with session.begin_nested():
                session.execute(delete(Blob).where(Blob.sha256 == sha256))
        except IntegrityError:
            return False
        blob_path(store, sha256).unlink(missing_ok=True)
        return True


def _lock(session: Session, sha256: str) -> None:
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("blob:" + sha256, 0))))


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
