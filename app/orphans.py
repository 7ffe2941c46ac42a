"""Files of jobs that no row names: into the store's trash for a week, and then away.

Nothing is taken when it would be much, or when the database is younger than the files: then the database is not the one
that knows them. An operator is told instead.
"""

import logging
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from app.database import session_scope
from app.jobs.lifecycle import HOLDING_LEASE
from app.models import Checkpoint, Installation, Job
from app.settings import get_settings

logger = logging.getLogger(__name__)

MOST = 0.05
"""Of the bytes of all jobs' files."""
KEPT_DAYS = 7
EVERY_SECONDS = 600.0

ONE_AT_A_TIME = text("SELECT pg_try_advisory_xact_lock(hashtextextended('descent:orphans', 0))")


@dataclass(frozen=True)
class File:
    path: Path
    bytes: int
    written_at: float


class Collector:
    """A chore of the sweeper."""

    def __init__(self) -> None:
        self._due = 0.0

    def __call__(self) -> None:
        if time.monotonic() < self._due:
            return
        settings = get_settings()
        self._due = time.monotonic() + min(EVERY_SECONDS, settings.orphan_seconds)
        with session_scope("descent_worker") as session:
            collect(session, settings.store_path, settings.orphan_seconds)


def collect(session: Session, store: Path, orphan_seconds: float) -> int:
    """How many files went into the trash."""
    if not session.scalar(ONE_AT_A_TIME):
        return 0
    now = time.time()
    files = list(files_of(store / "jobs"))  # before the rows: a row is never there before its file
    named = set(session.scalars(select(Checkpoint.path)))
    running = set(session.scalars(select(Job.id).where(Job.status.in_(HOLDING_LEASE))))  # rows may be on their way
    orphans = [
        file
        for file in files
        if now - file.written_at > orphan_seconds
        and file.path.relative_to(store).parts[1] not in running
        and str(file.path.relative_to(store)) not in named
    ]
    alert = objection(session, files, orphans)
    tell(session, alert)
    if alert is None:
        for file in orphans:
            put_away(store, file)
    empty_trash(store, now)
    return 0 if alert is not None else len(orphans)


def files_of(folder: Path) -> Iterator[File]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place) / name
            try:
                found = path.lstat()
            except FileNotFoundError:
                continue
            yield File(path, found.st_size, found.st_mtime)


def objection(session: Session, files: list[File], orphans: list[File]) -> str | None:
    if not orphans:
        return None
    created_at = session.execute(select(Installation.created_at)).scalar_one()
    older = sum(file.written_at < created_at.timestamp() for file in orphans)
    if older:
        return f"{older} files that no row names are older than the database: is it the right one?"
    taken, whole = sum(file.bytes for file in orphans), sum(file.bytes for file in files)
    if taken > MOST * whole:
        return f"No row names {len(orphans)} files, {taken} of the {whole} bytes of all jobs: more than {MOST:.0%}."
    return None


def tell(session: Session, alert: str | None) -> None:
    """The alert stands in the installation's row, for `/readyz`, until the next look finds nothing to object to."""
    stored = session.execute(select(Installation.alert)).scalar_one()
    if alert is not None:
        logger.error("nothing is collected from the store: %s", alert)
    if (stored or {}).get("detail") == alert:
        return
    value = None if alert is None else {"code": "orphans", "detail": alert, "since": datetime.now(UTC).isoformat()}
    session.execute(update(Installation).values(alert=value))


def put_away(store: Path, file: File) -> None:
    place = store / "trash" / f"{datetime.now(UTC):%Y-%m-%d}" / file.path.relative_to(store)
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.replace(file.path, place)
    except FileNotFoundError:
        return
    logger.warning("%s, which no row names, is in the trash", file.path.name)


def empty_trash(store: Path, now: float) -> None:
    oldest = f"{datetime.fromtimestamp(now, UTC) - timedelta(days=KEPT_DAYS):%Y-%m-%d}"
    for folder in (store / "trash").glob("????-??-??"):
        if folder.name < oldest:
            shutil.rmtree(folder, ignore_errors=True)
