"""From a document to a stored sweep: every point is a whole job spec that was found good, or nothing is stored."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from app.bodies import read_as
from app.database import ProjectSession
from app.datasets.references import Catalog
from app.doorbell import ring_soon
from app.errors import InvalidPayload, PointedError
from app.ids import new_id
from app.jobs import idempotency
from app.jobs.placement import queue_of
from app.jobs.repository import Row
from app.jobs.submitted import Submission
from app.jobs.workers import workers_now
from app.projects.audit import record
from app.projects.quotas import check_submit
from app.rendering import render
from app.sweeps import repository, service
from app.sweeps.checks import Checked, check_points
from app.sweeps.points import Point, expand, refusal
from app.sweeps.repository import HELD_UNTIL
from app.sweeps.schemas import SEARCHES, Asha, NewSweep, Search
from app.weights.references import hold

MAX_SPEC_BYTES = 256 * 2**20
"""Of all points' specs together, as they are stored."""


@dataclass(frozen=True)
class Ready:
    """A sweep that was found good."""

    document: dict[str, Any]
    body: NewSweep
    search: Search
    points: Sequence[Point]
    checked: Checked


def read(project_id: str, document: Any) -> Ready:
    """Raises InvalidPayload with pointers into the document."""
    body = read_as(NewSweep, document)
    search = read_search(body.search)
    points = expand(body.over, body.zip, search)
    size = len(points) * len(orjson.dumps(body.spec))
    if size > MAX_SPEC_BYTES:
        detail = f"makes {len(points)} specs of {size >> 20} MiB together; at most {MAX_SPEC_BYTES >> 20} are allowed"
        raise refusal([PointedError(pointer="/over", detail=detail)])
    checked = check_points(body, points, workers_now(project_id), Catalog(project_id))
    return Ready(document, body, search, points, checked)


def read_search(raw: Any) -> Search:
    """`"grid"`, or an object that says its type. Raises InvalidPayload."""
    given = {"type": raw} if isinstance(raw, str) else raw
    kind = given.get("type") if isinstance(given, dict) else None
    if not isinstance(kind, str) or kind not in SEARCHES:
        detail = f"must be one of {', '.join(SEARCHES)}, or an object with one of them as its type"
        raise refusal([PointedError(pointer="/search", detail=detail)])
    try:
        return read_as(SEARCHES[kind], given)
    except InvalidPayload as wrong:
        inside = [PointedError(pointer="/search" + error["pointer"], detail=error["detail"]) for error in wrong.errors]
        raise refusal(inside) from None


def dry_run(project_id: str, document: Any) -> dict[str, Any]:
    """How many points there would be, and which; all are checked, and nothing is stored. Raises InvalidPayload."""
    ready = read(project_id, document)
    return {
        "object": "sweep_dry_run",
        "count": len(ready.points),
        "points": list(ready.points),
        "objective": ready.checked.objective,
        "warnings": ready.checked.warnings,
    }


def submit(project_id: str, document: Any, idempotency_key: str | None) -> tuple[int, bytes, bool]:
    """Status and body of the reply, and whether it is a stored one. Raises InvalidPayload, Conflict."""
    if idempotency_key is None:
        return 201, store(project_id, document, None), False
    held = idempotency.reserve(project_id, idempotency_key, idempotency.fingerprint("POST /v1/sweeps", document))
    if isinstance(held, idempotency.Stored):
        return held.status_code, render(held.response), True
    try:
        return 201, store(project_id, document, held), False
    except BaseException:
        idempotency.release(held)
        raise


def store(project_id: str, document: Any, reservation: idempotency.Reservation | None) -> bytes:
    """The sweep and all its jobs in one transaction; the reply that tells of them."""
    ready = read(project_id, document)
    jobs = ready.checked.submissions
    with ProjectSession(project_id) as session, session.begin():
        largest = {name: max(getattr(job, name) or 0 for job in jobs) for name in ("epochs", "parameters", "step_rows")}
        check_submit(session, project_id, len(jobs), **largest)
        sweep_id = add(session, project_id, ready)
        record(session, sweep_id)
        sweep = service.show(session, sweep_id)
        warnings = ready.checked.warnings
        body = render(sweep | {"warnings": warnings} if warnings else sweep)
        if reservation is not None:
            idempotency.keep(session, reservation, 201, body)
    for queue in {queue_of(job.resolved["resources"]) for job in jobs}:
        for _ in range(rings(queue, len(jobs), workers_now(project_id))):
            ring_soon(queue)
    return body


def rings(queue: str, jobs: int, workers: Sequence[Row]) -> int:
    """A ring wakes one slot: as many as there are slots, or jobs."""
    slots: int = sum(worker["slots"] for worker in workers if worker["queue"] == queue)
    return max(1, min(jobs, slots))


def add(session: ProjectSession, project_id: str, ready: Ready) -> str:
    """The sweep's id. Jobs have ids in the order of the points, which is the order in which they run."""
    body, checked = ready.body, ready.checked
    sweep_id = new_id("swp")
    values = {
        "id": sweep_id,
        "project_id": project_id,
        "name": body.spec.get("name"),
        "document": ready.document,
        "search": ready.search.model_dump(),
        "objective": checked.objective,
        "max_parallel": body.max_parallel,
        "steered": body.max_parallel is not None or isinstance(ready.search, Asha),
        "settled_at": None,
        "cancelled_at": None,
    }
    for weights in {job.weights.file.reference: job.weights for job in checked.submissions if job.weights}.values():
        hold(session, weights)
    repository.insert_sweep(session, values)
    ids = sorted(new_id("job") for _ in ready.points)
    rows = job_rows(checked.submissions, ids, body.max_parallel, repository.now(session))
    points = [
        {"job_id": job_id, "sweep_id": sweep_id, "project_id": project_id, "number": number, "point": point}
        for number, (job_id, point) in enumerate(zip(ids, ready.points, strict=True))
    ]
    ours = {"project_id": project_id, "sweep_id": sweep_id, "status": "queued", "last_seq": 1}
    repository.insert_jobs(session, [row | ours for row in rows], points)
    return sweep_id


def job_rows(
    jobs: Sequence[Submission], ids: Sequence[str], max_parallel: int | None, now: datetime
) -> Iterator[dict[str, Any]]:
    """Columns of each job. What goes beyond `max_parallel` is queued, and held until another point has ended."""
    for number, (job_id, job) in enumerate(zip(ids, jobs, strict=True)):
        held = max_parallel is not None and number >= max_parallel
        waiting = repository.held_back(max_parallel) if held else None
        yield {"id": job_id, "available_at": HELD_UNTIL if held else now, "waiting": waiting, **job.values()}
