"""Lists of a job's rows, as JSON or CSV."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.jobs.lifecycle import ENDED
from app.jobs.repository import get_version
from app.lists import whole
from app.records import repository
from app.records.documents import Row, attempt_document, epoch_document, event_document, step_document


@dataclass(frozen=True)
class Kind:
    """One sort of row: where it is kept and how it looks."""

    table: Table
    document: Callable[[Row], dict[str, Any]]


EPOCHS = Kind(repository.EPOCH, epoch_document)
STEPS = Kind(repository.STEP, step_document)
EVENTS = Kind(repository.EVENT, event_document)


@dataclass(frozen=True)
class Found:
    """One answer, and whether the job can still add to it."""

    data: list[dict[str, Any]]
    last_seq: int
    has_more: bool
    ended: bool

    def document(self) -> dict[str, Any]:
        return {"object": "list", "data": self.data, "last_seq": self.last_seq, "has_more": self.has_more}


def rows_after(session: Session, kind: Kind, job_id: str, after_seq: int, limit: int) -> Found:
    """Rows with seq > after_seq. An empty answer repeats `after_seq`: a client goes on from `last_seq`."""
    ended = job_status(session, job_id) in ENDED  # asked first: rows are there before the end is
    rows = repository.rows_after(session, kind.table, job_id, after_seq, limit)
    data = [kind.document(row) for row in rows[:limit]]
    return Found(data, data[-1]["seq"] if data else after_seq, len(rows) > limit, ended)


def thinned(session: Session, kind: Kind, job_id: str, max_points: int) -> Found:
    """The whole run in at most `max_points` rows."""
    ended = job_status(session, job_id) in ENDED
    data = [kind.document(row) for row in repository.thinned_rows(session, kind.table, [job_id], max_points)]
    return Found(data, max((row["seq"] for row in data), default=0), False, ended)


def job_status(session: Session, job_id: str) -> str:
    """Raises NotFound."""
    found = get_version(session, job_id)
    if found is None:
        raise NotFound("There is no such job.")
    status: str = found["status"]
    return status


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """A table with a column for each value; what is nested is named with dots (`metrics.train_accuracy`)."""
    flat = [flatten(row) for row in rows]
    columns = list(dict.fromkeys(name for row in flat for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return out.getvalue()


def flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        items = [(str(key), child) for key, child in value.items()]
    elif isinstance(value, list):
        items = [(str(index), child) for index, child in enumerate(value)]
    else:
        return {prefix: value.isoformat() if hasattr(value, "isoformat") else value}
    flat: dict[str, Any] = {}
    for key, child in items:
        flat |= flatten(child, f"{prefix}.{key}" if prefix else key)
    return flat


def tail(session: Session, job_id: str, attempt: int | None, lines: int) -> dict[str, Any]:
    """The last lines of an attempt's stderr; without a number, of the newest attempt. Raises NotFound."""
    job_status(session, job_id)
    newest = repository.last_attempt(session, job_id)
    chosen = newest if attempt is None else attempt
    if chosen is None:
        return {"object": "log", "job_id": job_id, "attempt": None, "lines": [], "truncated": False}
    if newest is None or not 1 <= chosen <= newest:
        raise NotFound("The job has no such attempt.")
    kept = repository.log_text(session, job_id, chosen).splitlines()
    shown = kept[len(kept) - lines :] if lines < len(kept) else kept
    return {"object": "log", "job_id": job_id, "attempt": chosen, "lines": shown, "truncated": len(shown) < len(kept)}


def list_attempts(session: Session, job_id: str, after: int, limit: int) -> dict[str, Any]:
    """Raises NotFound."""
    job_status(session, job_id)
    rows = repository.attempts(session, job_id, after, limit)
    data = [attempt_document(row) for row in rows[:limit]]
    return whole(data, "attempt") | {"has_more": len(rows) > limit}
