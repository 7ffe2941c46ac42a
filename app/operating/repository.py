"""All SQL of readiness, workers and queues."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, func, select, text, update
from sqlalchemy.orm import Session

from app.models import Installation, Job, Worker

Row = RowMapping


def database_revision(session: Session) -> str | None:
    """What the migrations have brought the database to."""
    revision: str | None = session.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def jobs_of_workers(session: Session, worker_ids: Sequence[str]) -> dict[str, list[str]]:
    """The project's jobs that each of the workers runs."""
    found: dict[str, list[str]] = {}
    statement = select(Job.worker_id, Job.id).where(Job.worker_id.in_(worker_ids)).order_by(Job.id)
    for worker_id, job_id in session.execute(statement):
        found.setdefault(str(worker_id), []).append(job_id)
    return found


def alert(session: Session) -> str | None:
    """What an operator must look at."""
    found = session.scalar(select(Installation.alert))
    return None if found is None else str(found["detail"])


def set_worker_state(session: Session, worker_id: str, state: str, reason: str | None) -> None:
    session.execute(update(Worker).where(Worker.id == worker_id).values(state=state, reason=reason))


def pause_queue(session: Session) -> bool:
    """Claims that are under way are waited for: they hold the lock shared."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('descent:claims', 0))"))
    statement = update(Installation).where(Installation.queue_paused_at.is_(None)).values(queue_paused_at=func.now())
    return session.execute(statement.returning(Installation.id)).first() is not None


def resume_queue(session: Session) -> bool:
    statement = update(Installation).where(Installation.queue_paused_at.is_not(None)).values(queue_paused_at=None)
    return session.execute(statement.returning(Installation.id)).first() is not None


def queue_lengths(session: Session) -> list[Row]:
    """Queued and running jobs of all projects by queue, and since when the oldest waits."""
    return list(session.execute(text("SELECT queue, queued, running, oldest FROM queue_lengths()")).mappings())


def service_figures(session: Session) -> list[Row]:
    """Totals over all projects as rows of figure, label, value."""
    return list(session.execute(text("SELECT figure, label, value FROM service_figures()")).mappings())
