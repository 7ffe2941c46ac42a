"""A sweep as the contract shows it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.jobs.lifecycle import ALLOWED, ENDED
from app.sweeps.objective import Best
from app.sweeps.repository import Row

Counts = Mapping[str, int]


def sweep_document(
    sweep: Row, counts: Counts, ended_at: datetime | None, best: dict[str, Any] | None
) -> dict[str, Any]:
    """Without the spec and the points, as in lists."""
    status = status_of(sweep, counts)
    return {
        "id": sweep["id"],
        "object": "sweep",
        "name": sweep["name"],
        "status": status,
        "counts": {"points": sum(counts.values()), **{name: counts.get(name, 0) for name in ALLOWED}},
        "best": best,
        "search": sweep["search"],
        "objective": sweep["objective"],
        "max_parallel": sweep["max_parallel"],
        "created_at": sweep["created_at"],
        "finished_at": None if status == "running" else ended_at or sweep["created_at"],
    }


def status_of(sweep: Row, counts: Counts) -> str:
    """Running while a point has not ended; then one point that succeeded is enough, unless it was cancelled."""
    if any(number for status, number in counts.items() if status not in ENDED):
        return "running"
    if sweep["cancelled_at"] is not None and counts.get("cancelled"):
        return "cancelled"
    return next((status for status in ("succeeded", "failed") if counts.get(status)), "cancelled")


def best_of(points: Sequence[Row], values: Mapping[str, Best], mode: str) -> dict[str, Any] | None:
    """The best point of those that have not failed; of equals, the first."""
    sign = 1 if mode == "min" else -1
    told = [point for point in points if point["job_id"] in values and point["status"] != "failed"]
    if not told:
        return None
    winner = min(told, key=lambda point: sign * values[point["job_id"]].value)
    best = values[winner["job_id"]]
    return {"job_id": winner["job_id"], "point": winner["point"], "value": best.value, "epoch": best.epoch}


def point_document(point: Row, best: Best | None) -> dict[str, Any]:
    return {
        "job_id": point["job_id"],
        "point": point["point"],
        "status": point["status"],
        "best": None if best is None else {"value": best.value, "epoch": best.epoch},
        "stopped": point["stopped"],
    }
