"""An attempt's rows, written in groups: what the trainer reported, in its order, in one fenced transaction."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import delete, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.jobs.journal import notify, take_seqs
from app.jobs.leases.fence import Held, Lease, hold
from app.jobs.leases.retention import add_checkpoint, forget_beyond
from app.models import Attempt, AttemptLog, Epoch, Event, Job, Step
from app.models.base import Base

Kind = Literal["epoch", "step", "event", "checkpoint"]
Columns = dict[str, Any]

TIMING = {"duration_seconds", "samples_per_second", "reported_at"}
"""What may differ between a row and the same row trained again."""
KEYS = {"epoch": Epoch.epoch, "step": Step.step}
TABLES = {"epoch": Base.metadata.tables["epoch"], "step": Base.metadata.tables["step"]}


@dataclass
class Group:
    """Rows without their seq; `reported_at` is by this process's monotonic clock.

    `log` holds pieces by number, `log_dropped` the numbers of those that give way to them.
    """

    items: list[tuple[Kind, Columns]] = field(default_factory=list)
    job: Columns = field(default_factory=dict)
    attempt: Columns = field(default_factory=dict)
    log: dict[int, str] = field(default_factory=dict)
    log_dropped: list[int] = field(default_factory=list)
    keep_last: int = 2

    def __bool__(self) -> bool:
        return bool(self.items or self.job or self.attempt or self.log)


@dataclass(frozen=True)
class Difference:
    """A row that did not come out as it was recorded."""

    kind: Kind
    number: int
    column: str
    recorded: Any
    repeated: Any


@dataclass
class Written:
    """What became of a group."""

    held: Held
    compared: list[int] = field(default_factory=list)
    """Epochs that an earlier attempt had recorded."""
    differences: list[Difference] = field(default_factory=list)
    unlink: list[str] = field(default_factory=list)
    """Files whose rows are gone: to be removed after the commit."""


def write(session: Session, lease: Lease, group: Group) -> Written:
    """Raises LeaseLost, and then nothing is written. A row that comes out equal keeps its seq and its attempt."""
    values = group.job | ({"version": Job.version + 1} if group.job else {})
    written = Written(hold(session, lease, **values))
    kept = without_lost(session, lease, group.items, written)
    items = [
        *unrecorded(session, lease, "epoch", kept, written),
        *unrecorded(session, lease, "step", kept, written),
        *((place, item) for place, item in enumerate(kept) if is_told(item, written.held)),
    ]
    items.sort(key=lambda placed: placed[0])
    if items:
        rows = completed(session, lease, [item for _, item in items], written.held.now)
        insert_rows(session, lease, rows, written, group.keep_last)
    if group.attempt:
        where = (Attempt.job_id == lease.job_id, Attempt.attempt == lease.attempt)
        session.execute(update(Attempt).where(*where).values(**group.attempt))
    write_log(session, lease, group)
    if group:
        notify(session, lease.job_id)
    return written


def without_lost(
    session: Session, lease: Lease, items: Sequence[tuple[Kind, Columns]], written: Written
) -> list[tuple[Kind, Columns]]:
    """What the training has gone back before is not its own: what is recorded goes, and what waits is left out."""
    kept: list[tuple[Kind, Columns]] = []
    for kind, columns in items:
        if kind == "event" and columns["type"] == "rolled_back":
            back = columns["data"]["back_to"]
            for table in TABLES.values():
                session.execute(delete(table).where(table.c.job_id == lease.job_id, table.c.epoch > back["epoch"]))
            lost = [item for item in kept if is_beyond(item, back)]
            kept = [item for item in kept if not is_beyond(item, back)]
            written.unlink += [columns["path"] for kind, columns in lost if kind == "checkpoint"]
            written.unlink += forget_beyond(session, lease.job_id, back["step"])
        kept.append((kind, columns))
    return kept


def is_beyond(item: tuple[Kind, Columns], back: Columns) -> bool:
    """Whether this came after the moment that the training has gone back to."""
    kind, columns = item
    return columns["step"] > back["step"] if kind == "checkpoint" else kind in KEYS and columns["epoch"] > back["epoch"]


def is_told(item: tuple[Kind, Columns], held: Held) -> bool:
    """Whether it is an event or a checkpoint. A start is not told of once the job was asked to stop: it came first."""
    kind, columns = item
    too_late = held.status != "running" and columns.get("type") in ("started", "resumed")
    return kind == "checkpoint" or (kind == "event" and not too_late)


def unrecorded(
    session: Session, lease: Lease, kind: Kind, items: Sequence[tuple[Kind, Columns]], written: Written
) -> list[tuple[int, tuple[Kind, Columns]]]:
    """The rows of a kind, with their places, that are not there already as they are now."""
    mine = [(place, item) for place, item in enumerate(items) if item[0] == kind]
    if not mine:
        return []
    numbers = [columns[kind] for _, (_, columns) in mine]
    table, key = TABLES[kind], KEYS[kind]
    statement = select(table).where(table.c.job_id == lease.job_id, key.between(min(numbers), max(numbers)))
    recorded = {row[kind]: row for row in session.execute(statement).mappings()}
    found = []
    for place, (_, columns) in mine:
        row = recorded.get(columns[kind])
        difference = None if row is None else first_difference(kind, dict(row), columns)
        if row is not None and row["attempt"] != lease.attempt:
            if kind == "epoch":
                written.compared.append(columns[kind])
            if difference is not None:
                written.differences.append(difference)
        if row is None or difference is not None:
            found.append((place, (kind, columns)))
    return found


def first_difference(kind: Kind, row: Columns, columns: Columns) -> Difference | None:
    """By representation: it tells apart every two floats but NaNs, and takes a NaN for equal to itself."""
    for column, value in columns.items():
        if column in TIMING:
            continue
        recorded, repeated = row[column], value
        if column == "extra":
            recorded, repeated = unmarked(recorded), unmarked(repeated)
        if repr(recorded) != repr(repeated):
            return Difference(kind, columns[kind], column, row[column], value)
    return None


def unmarked(extra: dict[str, Any] | None) -> dict[str, Any] | None:
    """Without the mark of another environment, which says nothing of the numbers."""
    return {key: value for key, value in (extra or {}).items() if key != "environment_differs"} or None


def completed(
    session: Session, lease: Lease, items: list[tuple[Kind, Columns]], now: datetime
) -> list[tuple[Kind, Columns]]:
    """Whole rows: numbered, and with their times by the database's clock. The items stay as they are."""
    first = take_seqs(session, lease.job_id, len(items))
    mine = {"attempt": lease.attempt, "job_id": lease.job_id, "project_id": lease.project_id}
    monotonic = time.monotonic()
    rows: list[tuple[Kind, Columns]] = []
    for seq, (kind, columns) in enumerate(items, first):
        row = {**columns, **mine, "seq": seq}
        age = timedelta(seconds=monotonic - row.pop("reported_at"))
        row["created_at" if kind in ("event", "checkpoint") else "finished_at"] = now - age
        rows.append((kind, row))
    return rows


def insert_rows(
    session: Session, lease: Lease, items: list[tuple[Kind, Columns]], written: Written, keep_last: int
) -> None:
    for kind in ("epoch", "step"):
        rows = [columns for its, columns in items if its == kind]
        if rows:
            statement = upsert(TABLES[kind])
            kept = {c.name: c for c in statement.excluded if c.name not in ("job_id", kind)}
            session.execute(statement.on_conflict_do_update(index_elements=["job_id", kind], set_=kept), rows)
    events = [columns for kind, columns in items if kind == "event"]
    if events:
        session.execute(insert(Event), events)
    for kind, columns in items:
        if kind == "checkpoint":
            written.unlink += add_checkpoint(session, lease, columns, keep_last)
    replaced = {difference.number for difference in written.differences if difference.kind == "epoch"}
    if any(kind == "epoch" and columns["epoch"] not in replaced for kind, columns in items):  # that is progress
        session.execute(update(Job).where(Job.id == lease.job_id).values(failures=0))


def write_log(session: Session, lease: Lease, group: Group) -> None:
    where = (AttemptLog.job_id == lease.job_id, AttemptLog.attempt == lease.attempt)
    if group.log_dropped:
        session.execute(delete(AttemptLog).where(*where, AttemptLog.piece.in_(group.log_dropped)))
    if group.log:
        statement = upsert(AttemptLog)
        statement = statement.on_conflict_do_update(
            index_elements=["job_id", "attempt", "piece"], set_={"text": statement.excluded.text}
        )
        fixed = {"job_id": lease.job_id, "attempt": lease.attempt, "project_id": lease.project_id}
        session.execute(statement, [fixed | {"piece": piece, "text": text} for piece, text in group.log.items()])
