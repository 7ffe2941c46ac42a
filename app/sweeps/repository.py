"""SQL of sweeps: the rows of a new one, its points with their jobs, and moves of all of them at once."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import RowMapping, Text, desc, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import bindparam

from app.jobs.lifecycle import Moved
from app.models import Event, Job, Sweep, SweepPoint
from app.models.base import Base

JOB = Base.metadata.tables["job"]
SWEEP = Base.metadata.tables["sweep"]
POINT = Base.metadata.tables["sweep_point"]
HELD_UNTIL = datetime(9999, 1, 1, tzinfo=UTC)
"""`available_at` of a queued point that is let go when others end."""

Row = RowMapping


def held_back(max_parallel: int | None) -> dict[str, Any]:
    """`waiting` of such a point."""
    return {"reason": "quota", "detail": f"The sweep runs at most {max_parallel} of its points at a time."}


def insert_sweep(session: Session, values: Mapping[str, Any]) -> None:
    session.execute(insert(SWEEP).values(**values))


def insert_jobs(session: Session, jobs: Sequence[Mapping[str, Any]], points: Sequence[Mapping[str, Any]]) -> None:
    """Queued jobs with their first event each, and the points that they are."""
    session.execute(insert(JOB), list(jobs))
    event = {"seq": 1, "type": "queued", "level": "info", "message": "The job is in the queue.", "attempt": 0}
    events = [
        {**event, "job_id": job["id"], "project_id": job["project_id"], "data": {"queue": job["queue"]}} for job in jobs
    ]
    session.execute(insert(Event), events)
    session.execute(insert(POINT), list(points))
    announce(session, [job["id"] for job in jobs])


def announce(session: Session, job_ids: Sequence[str], channel: str = "descent_job") -> None:
    """One notification for each of the jobs, when the transaction commits."""
    statement = text("SELECT count(pg_notify(:channel, id)) FROM unnest(:ids) AS id")
    typed = statement.bindparams(bindparam("ids", type_=ARRAY(Text)))
    session.execute(typed, {"channel": channel, "ids": list(job_ids)})


def record_moves(
    session: Session, moved: Sequence[Moved], type: str, message: str, data: Mapping[str, Any] | None = None
) -> None:
    """The event of each job that `transition_all` has moved."""
    if not moved:
        return
    same = {"type": type, "level": "info", "message": message, "data": dict(data or {})}
    events = [
        {**same, "job_id": job.id, "project_id": job.project_id, "seq": job.seq, "attempt": job.attempt}
        for job in moved
    ]
    session.execute(insert(Event), events)
    announce(session, [job.id for job in moved])


def now(session: Session) -> datetime:
    """The transaction's time, by the database's clock."""
    return session.execute(select(func.now())).scalar_one()


def get_sweep(session: Session, sweep_id: str, *, lock: bool = False) -> Row | None:
    statement = select(SWEEP).where(SWEEP.c.id == sweep_id)
    return session.execute(statement.with_for_update() if lock else statement).mappings().first()


def list_sweeps(session: Session, *, after: str | None, limit: int, newest_first: bool) -> list[Row]:
    """One row more than `limit`, where there is one."""
    statement = select(SWEEP)
    if after is not None:
        statement = statement.where(SWEEP.c.id < after if newest_first else SWEEP.c.id > after)
    statement = statement.order_by(desc(SWEEP.c.id) if newest_first else SWEEP.c.id).limit(limit + 1)
    return list(session.execute(statement).mappings())


def points_of(session: Session, sweep_id: str) -> list[Row]:
    """Each point with what its job row tells."""
    columns = (SweepPoint.job_id, SweepPoint.point, Job.status, Job.stopped, Job.best, Job.finished_at)
    statement = select(*columns).join(Job, Job.id == SweepPoint.job_id).where(SweepPoint.sweep_id == sweep_id)
    return list(session.execute(statement.order_by(SweepPoint.number)).mappings())


def change_sweep(session: Session, sweep_id: str, **values: Any) -> None:
    session.execute(update(Sweep).where(Sweep.id == sweep_id).values(**values))


def count_points(session: Session, sweep_ids: Sequence[str]) -> dict[str, tuple[dict[str, int], datetime | None]]:
    """Of each sweep: how many jobs have which status, and when the newest of them ended."""
    statement = (
        select(Job.sweep_id, Job.status, func.count().label("number"), func.max(Job.finished_at).label("ended"))
        .where(Job.sweep_id.in_(sweep_ids))
        .group_by(Job.sweep_id, Job.status)
    )
    found: dict[str, tuple[dict[str, int], datetime | None]] = {sweep_id: ({}, None) for sweep_id in sweep_ids}
    for row in session.execute(statement):
        counts, ended = found[row.sweep_id]
        newest = max((at for at in (ended, row.ended) if at is not None), default=None)
        found[row.sweep_id] = (counts | {row.status: row.number}, newest)
    return found
