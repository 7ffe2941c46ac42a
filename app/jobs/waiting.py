"""Why a queued job waits, in one sentence, worked out when somebody asks."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from app.jobs import repository
from app.jobs.repository import Row
from app.projects import quotas

SILENT_SECONDS = 10
"""A worker beats every 5 s: one that missed two of them is not counted upon any more."""


def explain(session: Session, jobs: Sequence[Row]) -> dict[str, dict[str, Any]]:
    """`waiting` for each of the jobs that is queued: {"reason", "detail", "position", "since"}."""
    queued = [job for job in jobs if job["status"] == "queued"]
    if not queued:
        return {}
    workers = [worker for worker in repository.live_workers(session) if worker["state"] == "active"]
    blocks = quotas.blocks(session, {job["project_id"] for job in queued})
    positions = repository.queue_positions(session, [job["id"] for job in queued])
    paused_at = repository.queue_paused_at(session)
    cut_off = repository.cut_off_workers(session)
    found = {}
    for job in queued:
        reason = why(job, workers, positions.get(job["id"]), blocks.get(job["project_id"]), cut_off)
        found[job["id"]] = reason if paused_at is None else paused(reason, paused_at)
    return found


def paused(otherwise: dict[str, Any], paused_at: datetime) -> dict[str, Any]:
    """It comes before every other reason: the job keeps its place."""
    detail = f"An operator paused the queue at {paused_at:%Y-%m-%dT%H:%M:%SZ}: no job starts until it is resumed."
    return {**otherwise, "reason": "queue_paused", "detail": detail, "since": max(paused_at, otherwise["since"])}


def fits(job: Row, worker: Row) -> bool:
    return worker["queue"] == job["queue"] and set(job["labels"]) <= set(worker["labels"])


def why(
    job: Row, workers: Sequence[Row], position: int | None, blocked: str | None, cut_off: Sequence[Row]
) -> dict[str, Any]:
    """`cut_off`: workers not heard of since the database is back."""
    stored = job["waiting"]
    later = job["available_at"] > datetime.now(UTC)
    if stored is not None and (later or stored["reason"] != "backoff"):
        return {
            "position": None,
            **stored,
            "since": datetime.fromisoformat(stored.get("since") or f"{job['queued_at']}"),
        }
    if later:
        detail = f"It is tried again at {job['available_at']:%H:%M:%S} UTC."
        return {"reason": "backoff", "detail": detail, "position": None, "since": job["queued_at"]}
    if blocked is not None:
        return {"reason": "quota", "detail": blocked, "position": position, "since": job["queued_at"]}
    fitting = [worker for worker in workers if fits(job, worker)]
    since_start = [worker for worker in cut_off if fits(job, worker)]
    if not fitting and since_start:
        started_at = since_start[0]["database_started_at"]
        detail = f"The database was away until {started_at:%H:%M:%S} UTC; its workers were not heard of since."
        return {"reason": "database", "detail": detail, "position": position, "since": started_at}
    if fitting and (silence := min(worker["silent_seconds"] for worker in fitting)) > SILENT_SECONDS:
        detail = f"No worker of the queue '{job['queue']}' was heard of for {silence:.0f} s."
        return {"reason": "no_worker", "detail": detail, "position": position, "since": job["queued_at"]}
    if not fitting:
        labels = f" with the labels {', '.join(job['labels'])}" if job["labels"] else ""
        detail = f"No live worker takes jobs of the queue '{job['queue']}'{labels}."
        return {"reason": "no_worker", "detail": detail, "position": position, "since": job["queued_at"]}
    slots = sum(worker["slots"] for worker in fitting)
    detail = f"Number {position} in the queue '{job['queue']}', which has {slots} slot{'s' * (slots != 1)}."
    return {"reason": "capacity", "detail": detail, "position": position, "since": job["queued_at"]}
