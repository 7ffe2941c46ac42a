"""Retention by age: jobs that ended longer ago than their project keeps them go, their rows before their files."""

import logging
import time

from sqlalchemy import text

from app.database import ProjectSession, session_scope
from app.errors import ServiceError
from app.jobs import moves

logger = logging.getLogger(__name__)

EVERY_SECONDS = 600.0
AT_ONCE = 500

# A job is kept whole when one of its checkpoints is pinned or has a name.
EXPIRED = text("""
SELECT job.project_id, job.id FROM job JOIN project ON project.id = job.project_id
WHERE project.retention_days IS NOT NULL AND job.status IN ('succeeded', 'failed', 'cancelled')
  AND job.finished_at < now() - make_interval(days => project.retention_days::int)
  AND NOT EXISTS (
    SELECT FROM checkpoint WHERE checkpoint.job_id = job.id
      AND (checkpoint.pinned OR EXISTS (SELECT FROM alias WHERE alias.checkpoint_id = checkpoint.id))
  )
ORDER BY job.finished_at LIMIT :at_once
""")

# Their points are gone with the jobs.
EMPTY_SWEEPS = text("""
DELETE FROM sweep USING project
WHERE project.id = sweep.project_id AND project.retention_days IS NOT NULL
  AND sweep.created_at < now() - make_interval(days => project.retention_days::int)
  AND NOT EXISTS (SELECT FROM job WHERE job.sweep_id = sweep.id)
""")


def expire() -> int:
    """Delete what is too old, each job in a transaction of its own; how many."""
    with session_scope("descent_worker") as session:
        found = session.execute(EXPIRED, {"at_once": AT_ONCE}).all()
    removed = sum(remove(project_id, job_id) for project_id, job_id in found)
    with session_scope("descent_worker") as session:
        session.execute(EMPTY_SWEEPS)
    if removed:
        logger.info("%d jobs were older than their projects keep them", removed)
    return removed


def remove(project_id: str, job_id: str) -> bool:
    """As a person's DELETE does it; False when somebody was faster, or needs it by now."""
    try:
        with ProjectSession(project_id) as session:
            moves.remove(session, job_id)
            session.commit()
            for act in session.after_commit:
                act()
    except ServiceError:
        return False
    return True


class Retention:
    """A chore of the API's sweeper, done every now and then."""

    def __init__(self) -> None:
        self._due_at = time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() >= self._due_at:
            self._due_at = time.monotonic() + EVERY_SECONDS
            expire()
