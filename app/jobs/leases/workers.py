"""All SQL of worker rows, as the workers themselves write them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.jobs.journal import record_event
from app.jobs.lifecycle import ENDED
from app.models import Event, Job, Worker

BEAT = text("""
UPDATE worker SET heartbeat_at = now(), state = CASE state WHEN 'gone' THEN 'active' ELSE state END
WHERE id = :id RETURNING state
""")


def register(session: Session, values: dict[str, Any]) -> None:
    session.execute(insert(Worker).values(**values).on_conflict_do_nothing())


def beat(session: Session, worker_id: str) -> str | None:
    """Still alive; the state that an operator may have set. None: there is no such row (any more)."""
    state: str | None = session.scalar(BEAT, {"id": worker_id})
    return state


FORGIVEN = 3
"""So many times a job: those that bring every worker into doubt must come to an end."""


def doubt(session: Session, worker_id: str, reason: str, job_ids: Sequence[str]) -> None:
    """The worker cordons itself; what it did to these jobs does not count against them."""
    values = {"state": "cordoned", "reason": reason}
    session.execute(update(Worker).where(Worker.id == worker_id, Worker.state == "active").values(**values))
    lost = (Job.id.in_(job_ids), Job.failures > 0, Job.status.not_in(ENDED))
    for job_id in session.scalars(select(Job.id).where(*lost).order_by(Job.id).with_for_update()).all():
        forgive(session, job_id, reason)


def forgive(session: Session, job_id: str, reason: str) -> None:
    before = select(func.count()).where(Event.job_id == job_id, Event.type == "forgiven")
    if (session.scalar(before) or 0) >= FORGIVEN:
        return
    fewer = {"failures": func.greatest(Job.failures - 1, 0), "available_at": func.now(), "waiting": None}
    session.execute(update(Job).where(Job.id == job_id).values(**fewer))
    message = (
        f"The lost attempt does not count: its worker doubts itself ({reason}) and takes no jobs until it is sound."
    )
    record_event(session, job_id, "forgiven", message)


def trust(session: Session, worker_id: str, reason: str) -> None:
    """The worker has checked itself, and is not cordoned for anything else."""
    where = (Worker.id == worker_id, Worker.state == "cordoned", Worker.reason == reason)
    session.execute(update(Worker).where(*where).values(state="active", reason=None))


def is_cordoned(session: Session, worker_id: str, reason: str) -> bool:
    found = session.execute(select(Worker.state, Worker.reason).where(Worker.id == worker_id)).one_or_none()
    return found is not None and tuple(found) == ("cordoned", reason)


def leave(session: Session, worker_ids: Sequence[str]) -> None:
    session.execute(update(Worker).where(Worker.id.in_(worker_ids)).values(state="gone"))


def on_host(session: Session, host: str) -> list[Worker]:
    """Those that have not said goodbye, heard of in the last hour."""
    recent = Worker.heartbeat_at > func.now() - text("interval '1 hour'")
    return list(session.scalars(select(Worker).where(Worker.host == host, Worker.state != "gone", recent)))
