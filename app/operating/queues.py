"""The queue: how long it is and why, and the operators' switch that stops all claims."""

from datetime import datetime
from functools import partial
from typing import Any

from app.database import ProjectSession
from app.doorbell import ring_soon
from app.jobs.repository import live_workers, queue_paused_at
from app.lists import whole
from app.operating import repository
from app.previews.service import QUEUE as PREVIEWS
from app.projects.administration import everywhere
from app.projects.principals import Principal


def pause(session: ProjectSession, caller: Principal) -> bool:
    """No job is claimed from now on; those that run go on. False when it was so already. Raises Forbidden."""
    everywhere(caller)
    return repository.pause_queue(session)


def resume(session: ProjectSession, caller: Principal) -> bool:
    """Claims go on, and every free slot hears of it. False when they did already. Raises Forbidden."""
    everywhere(caller)
    changed = repository.resume_queue(session)
    if changed:
        slots = slots_by_queue(session)
        for row in repository.queue_lengths(session):
            for _ in range(min(row["queued"], slots.get(row["queue"], 0))):
                session.after_commit.append(partial(ring_soon, row["queue"]))
    return changed


def slots_by_queue(session: ProjectSession) -> dict[str, int]:
    slots: dict[str, int] = {}
    for worker in live_workers(session):
        if worker["queue"] != PREVIEWS and worker["state"] == "active":
            slots[worker["queue"]] = slots.get(worker["queue"], 0) + worker["slots"]
    return slots


def queues(session: ProjectSession) -> dict[str, Any]:
    """How long each queue is, and what serves it."""
    slots = slots_by_queue(session)
    lengths = {row["queue"]: row for row in repository.queue_lengths(session)}
    paused_at = queue_paused_at(session)
    data = []
    for name in sorted({*slots, *lengths}):
        row = lengths.get(name)
        counts = (row["queued"], row["running"], row["oldest"]) if row is not None else (0, 0, None)
        data.append(document(name, *counts, slots=slots.get(name, 0), paused=paused_at is not None))
    return whole(data, "queue") | {"paused_at": paused_at}


def document(
    name: str, queued: int, running: int, oldest: datetime | None, *, slots: int, paused: bool
) -> dict[str, Any]:
    if not queued:
        reason = None
    elif paused:
        reason = "queue_paused"
    elif not slots:
        reason = "no_worker"
    else:
        reason = "capacity" if running >= slots else "backoff"
    counts = {"queued": queued, "running": running, "slots": slots}
    return {"queue": name, **counts, "oldest_queued_at": oldest, "reason": reason}
