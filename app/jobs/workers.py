"""The workers that a submit counts on."""

import time
from collections.abc import Sequence

from app.database import ProjectSession
from app.jobs.repository import Row, live_workers
from app.previews.service import QUEUE

SERVES_SECONDS = 1.0
"""A worker is taken for alive for much longer than this after its last heartbeat."""

_seen: tuple[object, float, Sequence[Row]] | None = None


def workers_now(project_id: str) -> Sequence[Row]:
    """Live workers of all projects. For a second an answer serves again, so that a repeated dry run asks nobody.

    One without a previews worker does not: whoever starts that worker may ask it at once.
    """
    global _seen
    with ProjectSession(project_id) as session:
        database, now = session.get_bind(), time.monotonic()
        if _seen is not None and _seen[0] is database and now - _seen[1] < SERVES_SECONDS:
            return _seen[2]
        workers = live_workers(session)
    if answer_previews(workers):
        _seen = (database, now, workers)
    return workers


def answer_previews(workers: Sequence[Row]) -> bool:
    """Whether one of them takes the questions that need torch."""
    return any(worker["queue"] == QUEUE for worker in workers)
