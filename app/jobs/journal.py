"""The numbering of a job's rows. Taking a number locks the job's row until the commit, so numbers commit in order."""

from typing import Any, Literal

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.models import Event, Job

Level = Literal["info", "warning", "error"]


def take_seqs(session: Session, job_id: str, count: int = 1) -> int:
    """The first of `count` consecutive numbers for rows of the job."""
    statement = update(Job).where(Job.id == job_id)
    values = {"last_seq": Job.last_seq + count, "version": Job.version + 1}
    return session.execute(statement.values(values).returning(Job.last_seq)).scalar_one() - count + 1


def record_event(
    session: Session, job_id: str, type: str, message: str, *, level: Level = "info", data: dict[str, Any] | None = None
) -> None:
    """Append to what happened to the job, under its attempt of the moment."""
    seq = take_seqs(session, job_id)
    project_id, attempt = session.execute(select(Job.project_id, Job.attempt).where(Job.id == job_id)).one()
    session.add(
        Event(
            job_id=job_id,
            seq=seq,
            project_id=project_id,
            type=type,
            level=level,
            message=message,
            data=data or {},
            attempt=attempt,
        )
    )
    session.flush()
    notify(session, job_id)


def notify(session: Session, job_id: str) -> None:
    """Wake whoever waits for news of this job, when the transaction commits."""
    session.execute(select(func.pg_notify("descent_job", job_id)))


def call_all(session: Session, queue: str) -> None:
    """Let every worker of the queue look for work, where one bell might ring at the wrong door."""
    session.execute(select(func.pg_notify("descent_work", queue)))
