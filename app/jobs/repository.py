"""All SQL of jobs (claims and leases apart, which are the workers')."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ARRAY, RowMapping, Text, cast, delete, desc, func, insert, or_, select, text, update
from sqlalchemy.orm import Session

from app.models import Epoch, Event, Installation, Worker
from app.models.base import Base

JOB = Base.metadata.tables["job"]
SUMMARY = [column for column in JOB.columns if column.name not in ("spec", "resolved_spec")]
LIVE_SECONDS = 20
"""A worker that has not been heard of for longer is taken for dead."""

Row = RowMapping


@dataclass(frozen=True)
class Filters:
    """What a list of jobs is narrowed to."""

    statuses: Sequence[str] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    sweep_id: str | None = None
    words: str | None = None
    """Part of a name, or an id."""


def insert_job(session: Session, values: Mapping[str, Any]) -> None:
    session.execute(insert(JOB).values(**values))


def get_job(session: Session, job_id: str, *, lock: bool = False) -> Row | None:
    statement = select(JOB).where(JOB.c.id == job_id)
    return session.execute(statement.with_for_update() if lock else statement).mappings().first()


def get_version(session: Session, job_id: str) -> Row | None:
    """Just enough to know whether a client has the newest document."""
    statement = select(JOB.c.version, JOB.c.status).where(JOB.c.id == job_id)
    return session.execute(statement).mappings().first()


def list_jobs(
    session: Session, filters: Filters, *, after: str | None, limit: int, newest_first: bool, full: bool
) -> list[Row]:
    """One row more than `limit`, where there is one."""
    statement = select(JOB) if full else select(*SUMMARY)
    if filters.statuses:
        statement = statement.where(JOB.c.status.in_(filters.statuses))
    if filters.metadata:
        statement = statement.where(JOB.c.metadata.contains(dict(filters.metadata)))
    if filters.sweep_id is not None:
        statement = statement.where(JOB.c.sweep_id == filters.sweep_id)
    if filters.words:
        named = JOB.c.name.icontains(filters.words, autoescape=True)
        statement = statement.where(or_(named, JOB.c.id == filters.words))
    if after is not None:
        statement = statement.where(JOB.c.id < after if newest_first else JOB.c.id > after)
    statement = statement.order_by(desc(JOB.c.id) if newest_first else JOB.c.id).limit(limit + 1)
    return list(session.execute(statement).mappings())


def update_job(session: Session, job_id: str, values: Mapping[str, Any]) -> None:
    session.execute(update(JOB).where(JOB.c.id == job_id).values(version=JOB.c.version + 1, **values))


def delete_job(session: Session, job_id: str) -> None:
    session.execute(delete(JOB).where(JOB.c.id == job_id))


def latest_epochs(session: Session, job_ids: Sequence[str]) -> dict[str, Row]:
    """The newest epoch row of each job that has one: one index probe for each."""
    if not job_ids:
        return {}
    wanted = func.unnest(cast(list(job_ids), ARRAY(Text))).table_valued("id", name="wanted").render_derived()
    newest = (
        select(Epoch.__table__)
        .where(Epoch.job_id == wanted.c.id)
        .order_by(Epoch.epoch.desc())
        .limit(1)
        .lateral("newest")
    )
    rows = session.execute(select(newest).select_from(wanted.join(newest, text("true")))).mappings()
    return {row["job_id"]: row for row in rows}


def times_rolled_back(session: Session, job_id: str) -> int:
    """How often the training has gone back before a loss that is not finite."""
    times = func.max(Event.data["times"].as_integer())
    return session.scalar(select(times).where(Event.job_id == job_id, Event.type == "rolled_back")) or 0


def queue_positions(session: Session, job_ids: Sequence[str]) -> dict[str, int]:
    """Where each queued job stands in its queue, from 1, the other projects' jobs counted."""
    statement = text("SELECT id, place FROM queue_positions(:ids)")
    return {row.id: row.place for row in session.execute(statement, {"ids": list(job_ids)})}


def live_workers(session: Session) -> list[Row]:
    """Workers heard of lately that have not said goodbye."""
    recent = Worker.heartbeat_at > func.now() - text(f"interval '{LIVE_SECONDS} seconds'")
    silent = func.extract("epoch", func.now() - Worker.heartbeat_at).label("silent_seconds")
    statement = select(Worker.__table__, silent).where(recent, Worker.state != "gone").order_by(Worker.id)
    return list(session.execute(statement).mappings())


def cut_off_workers(session: Session) -> list[Row]:
    """Workers that were there before the database's last start, a minute ago at most, and have not come back to it."""
    started_at = func.pg_postmaster_start_time()
    statement = select(Worker.__table__, started_at.label("database_started_at"))
    lately = started_at > func.now() - text("interval '1 minute'")
    before = Worker.heartbeat_at.between(started_at - text("interval '10 minutes'"), started_at)
    statement = statement.where(Worker.state == "active", lately, before)
    return list(session.execute(statement).mappings())


def queue_paused_at(session: Session) -> datetime | None:
    """Since when nothing is claimed; None while the queue goes on."""
    return session.scalar(select(Installation.queue_paused_at))


def request_attention(session: Session, job_id: str) -> None:
    """Tell the lease's holder that there is a request for it."""
    session.execute(select(func.pg_notify("descent_request", job_id)))


def announce(session: Session, job_id: str) -> None:
    """News of a job that no row of its own tells of."""
    session.execute(select(func.pg_notify("descent_job", job_id)))


def get_jobs(session: Session, job_ids: Sequence[str]) -> list[Row]:
    """Those of the jobs that are there, without their specs."""
    return list(session.execute(select(*SUMMARY).where(JOB.c.id.in_(job_ids))).mappings())
