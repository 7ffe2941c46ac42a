"""All SQL of exports."""

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from app.records.repository import EVENT


def has_event(session: Session, job_id: str, kind: str) -> bool:
    """Whether such a thing happened to the job."""
    statement = select(exists().where(EVENT.c.job_id == job_id, EVENT.c.type == kind))
    return bool(session.scalar(statement))
