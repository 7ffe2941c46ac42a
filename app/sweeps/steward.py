"""Who sees to running sweeps: lets held points go as others end, and stops points by ASHA's rule.

Every decision is made in one transaction that holds the sweep's row, from what is in Postgres and nothing else. So any
number of stewards may run, each may die at any time, and whoever comes next goes on.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import psycopg
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.database import session_scope
from app.jobs.lifecycle import ENDED
from app.models import Job, Sweep
from app.queue import ring
from app.settings import get_settings
from app.sweeps import repository
from app.sweeps.repository import HELD_UNTIL, Row
from app.sweeps.rungs import decide

logger = logging.getLogger(__name__)

GATHER_SECONDS = 0.05
"""News of many jobs come together."""
RECONNECT_SECONDS = 1.0
LISTEN_SECONDS = 0.5
"""How long a stop may take to be noticed."""


def advance(session: Session, sweep_id: str) -> list[str]:
    """Decide whatever there is to decide about a sweep; the queue of each job that was let go, to be rung."""
    sweep = repository.get_sweep(session, sweep_id, lock=True)
    if sweep is None or not sweep["steered"]:
        return []
    if sweep["search"]["type"] == "asha":
        decide(session, sweep)
    released = release(session, sweep) if sweep["max_parallel"] is not None else []
    left = session.execute(
        select(func.count()).select_from(Job).where(Job.sweep_id == sweep_id, Job.status.not_in(ENDED))
    ).scalar_one()
    if (left == 0) != (sweep["settled_at"] is not None):
        repository.change_sweep(session, sweep_id, settled_at=None if left else func.now())
    return released


def release(session: Session, sweep: Row) -> list[str]:
    """Let as many held points go as there are places free, in their order."""
    of_the_sweep = Job.sweep_id == sweep["id"]
    held = (Job.status == "queued") & (Job.available_at == HELD_UNTIL)
    busy = of_the_sweep & Job.status.not_in([*ENDED, "paused"]) & ~held
    active = session.execute(select(func.count()).select_from(Job).where(busy)).scalar_one()
    free = sweep["max_parallel"] - active
    if free <= 0:
        return []
    next_ones = select(Job.id, Job.queue).where(of_the_sweep, held).order_by(Job.id).limit(free).with_for_update()
    chosen = session.execute(next_ones).all()
    values = {"available_at": func.now(), "waiting": None, "version": Job.version + 1}
    session.execute(update(Job).where(Job.id.in_([job.id for job in chosen])).values(**values))
    repository.announce(session, [job.id for job in chosen])
    return [job.queue for job in chosen]


def advance_and_ring(sweep_id: str) -> None:
    with session_scope("descent_worker") as session:
        queues = advance(session, sweep_id)
    for queue in queues:
        ring(queue)


def unsettled() -> list[str]:
    """Sweeps that are steered and have points that had not ended when they were last looked at."""
    with session_scope("descent_worker") as session:
        return list(session.scalars(select(Sweep.id).where(Sweep.steered, Sweep.settled_at.is_(None))))


def steered_by(job_ids: set[str]) -> list[str]:
    """The steered sweeps that these jobs are points of."""
    with session_scope("descent_worker") as session:
        statement = select(Sweep.id).distinct().join(Job, Job.sweep_id == Sweep.id)
        return list(session.scalars(statement.where(Sweep.steered, Job.id.in_(job_ids))))


def start() -> Callable[[], None]:
    """Look after sweeps in the background; call what this returns to stop."""
    stopping = Event()
    thread = Thread(target=run, args=(stopping,), name="steward", daemon=True)
    thread.start()

    def stop() -> None:
        stopping.set()
        thread.join(timeout=5)

    return stop


def run(stopping: Event) -> None:
    """Until `stopping` is set: at the news of each point, and every few seconds for what brought none."""
    while not stopping.is_set():
        try:
            with listening() as news:
                looked_at = -math.inf
                while not stopping.is_set():
                    if time.monotonic() > looked_at + get_settings().sweep_seconds:
                        looked_at = time.monotonic()
                        look_at(unsettled(), stopping)
                    if job_ids := news():
                        look_at(steered_by(job_ids), stopping)
        except Exception as error:  # the database is away, or a decision went wrong: another look is always right
            logger.warning("sweeps are not looked after for a moment: %s", error)
            stopping.wait(RECONNECT_SECONDS)


def look_at(sweep_ids: list[str], stopping: Event) -> None:
    for sweep_id in sweep_ids:
        if not stopping.is_set():
            advance_and_ring(sweep_id)


@contextmanager
def listening() -> Iterator[Callable[[], set[str]]]:
    """A function that waits a moment for news of jobs: their ids."""
    url = get_settings().sqlalchemy_url.replace("postgresql+psycopg", "postgresql", 1)
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        connection.execute("LISTEN descent_job")

        def news() -> set[str]:
            found = {note.payload for note in connection.notifies(timeout=LISTEN_SECONDS, stop_after=1)}
            if found:
                time.sleep(GATHER_SECONDS)
                found |= {note.payload for note in connection.notifies(timeout=0)}
            return found

        yield news
