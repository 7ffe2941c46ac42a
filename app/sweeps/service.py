"""What can be done with sweeps. Services flush; the edge commits."""

from collections import Counter
from typing import Any

from app.database import ProjectSession
from app.errors import Conflict, NotFound
from app.jobs.lifecycle import transition_all
from app.lists import page
from app.models import Job
from app.sweeps import repository
from app.sweeps.documents import best_of, point_document, status_of, sweep_document
from app.sweeps.objective import best_values
from app.sweeps.repository import Row

Document = dict[str, Any]


def find(session: ProjectSession, sweep_id: str, *, lock: bool = False) -> Row:
    """Raises NotFound, also for another project's sweep."""
    sweep = repository.get_sweep(session, sweep_id, lock=lock)
    if sweep is None:
        raise NotFound("There is no such sweep.")
    return sweep


def show(session: ProjectSession, sweep_id: str) -> Document:
    """The sweep with its points, in the order of `over`."""
    sweep = find(session, sweep_id)
    points = repository.points_of(session, sweep_id)
    values = best_values(session, sweep_id, sweep["objective"])
    ended_at = max((point["finished_at"] for point in points if point["finished_at"] is not None), default=None)
    counts = Counter(point["status"] for point in points)
    best = best_of(points, values, sweep["objective"]["mode"])
    return {
        **sweep_document(sweep, counts, ended_at, best),
        "spec": sweep["document"]["spec"],
        "over": sweep["document"]["over"],
        "points": [point_document(point, values.get(point["job_id"])) for point in points],
    }


def listing(session: ProjectSession, *, after: str | None, limit: int, newest_first: bool) -> Document:
    sweeps = repository.list_sweeps(session, after=after, limit=limit, newest_first=newest_first)
    counts = repository.count_points(session, [sweep["id"] for sweep in sweeps])
    found = [sweep_document(sweep, *counts[sweep["id"]], best_point(session, sweep)) for sweep in sweeps]
    return page(found, limit)


def best_point(session: ProjectSession, sweep: Row) -> dict[str, Any] | None:
    values = best_values(session, sweep["id"], sweep["objective"])
    points = repository.points_of(session, sweep["id"]) if values else []
    return best_of(points, values, sweep["objective"]["mode"])


def cancel(session: ProjectSession, sweep_id: str) -> bool:
    """End every point that has not ended; False when that is under way. Raises NotFound, Conflict."""
    sweep = find(session, sweep_id, lock=True)
    counts, _ = repository.count_points(session, [sweep_id])[sweep_id]
    status = status_of(sweep, counts)
    if status in ("succeeded", "failed"):
        raise Conflict(f"A sweep that has {status} cannot be cancelled.", code="state_conflict")
    of_the_sweep = Job.sweep_id == sweep_id
    asked = transition_all(session, of_the_sweep, ("running", "pausing"), "cancelling", request="cancel")
    repository.record_moves(session, asked, "cancelling", "The sweep was cancelled: the job is asked to stop.")
    repository.announce(session, [job.id for job in asked], "descent_request")
    waiting = transition_all(session, of_the_sweep, ("queued", "paused"), "cancelled")
    repository.record_moves(session, waiting, "cancelled", "The job was cancelled with its sweep.")
    if not asked and not waiting:
        return False
    repository.change_sweep(session, sweep_id, cancelled_at=repository.now(session))
    return True
