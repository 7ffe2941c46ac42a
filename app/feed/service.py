"""Everything that changed in a project since a cursor."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from app.checkpoints.service import document as checkpoint_document
from app.database import ProjectSession
from app.errors import InvalidPayload, PointedError
from app.feed import repository
from app.feed.repository import Place
from app.jobs.repository import get_jobs
from app.jobs.service import documents
from app.records.documents import epoch_document, event_document

KINDS = ("job", "epoch", "event", "checkpoint")
CURSOR = re.compile(r"([0-9]{1,18})\.((?:job_[0-9a-z]{26})?)\.([0-9]{1,18})")
NOW = "now"


@dataclass(frozen=True)
class News:
    """A page of the feed."""

    data: list[dict[str, Any]]
    cursor: str
    has_more: bool

    def document(self) -> dict[str, Any]:
        return {"object": "list", "data": self.data, "cursor": self.cursor, "has_more": self.has_more}


def read_cursor(cursor: str | None) -> Place | None:
    """None for `now`. Raises InvalidPayload."""
    if cursor is None:
        return Place()
    if cursor == NOW:
        return None
    match = CURSOR.fullmatch(cursor)
    if match is None:
        wrong = PointedError(pointer="/query/after", detail="is no cursor that a feed gave out")
        raise InvalidPayload("The cursor cannot be read.", errors=[wrong])
    return Place(int(match[1]), match[2], int(match[3]))


def write_cursor(place: Place) -> str:
    return f"{place.transaction}.{place.job_id}.{place.seq}"


def news_after(session: ProjectSession, after: Place | None, kinds: Collection[str], limit: int) -> News:
    """At most `limit` changes past a place; without one, none, and the cursor of now."""
    below = repository.horizon(session)
    if after is None:
        return News([], write_cursor(Place(below - 1, "job_" + "z" * 26, 10**17)), False)
    found: list[tuple[Place, str, Any]] = []
    if "job" in kinds:
        found += [(p, "job", job_id) for p, job_id in repository.changed_jobs(session, after, below, limit + 1)]
    for kind in repository.SERIES:
        if kind in kinds:
            found += [(p, kind, row) for p, row in repository.changed_rows(session, kind, after, below, limit + 1)]
    found.sort(key=lambda entry: entry[0])
    page = found[:limit]
    cursor = page[-1][0] if page else after
    return News(shown(session, page), write_cursor(cursor), len(found) > limit)


def shown(session: ProjectSession, page: list[tuple[Place, str, Any]]) -> list[dict[str, Any]]:
    ids = list({place.job_id for place, _, _ in page})
    rows = get_jobs(session, ids) if ids else []
    by_id = {row["id"]: row for row in rows}
    jobs = {job["id"]: job for job in documents(session, rows, full=False)}
    data = []
    for place, kind, value in page:
        if kind == "job":
            document = jobs[value]
        elif kind == "checkpoint":
            document = checkpoint_document(value, by_id[place.job_id])
        else:
            document = epoch_document(value) if kind == "epoch" else event_document(value)
        data.append({"kind": kind, "job_id": place.job_id, "cursor": write_cursor(place), kind: document})
    return data
