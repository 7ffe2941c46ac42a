"""The same series of many jobs in one answer."""

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy.orm import Session

from app.errors import NotFound
from app.jobs.repository import get_jobs
from app.records import repository
from app.records.documents import Row, epoch_document
from app.records.service import flatten
from app.rendering import number

Axis = Literal["epoch", "step", "samples", "seconds"]


def compare(
    session: Session, job_ids: Sequence[str], keys: Sequence[str], axis: Axis, max_points: int
) -> dict[str, Any]:
    """One entry for each job and key: `x` and `y` of equal length. Raises NotFound."""
    jobs = {row["id"]: row for row in get_jobs(session, job_ids)}
    if missing := [job_id for job_id in job_ids if job_id not in jobs]:
        raise NotFound(f"There is no job {missing[0]}.")
    rows: dict[str, list[Row]] = {job_id: [] for job_id in jobs}
    for row in repository.thinned_rows(session, repository.EPOCH, list(jobs), max_points):
        rows[row["job_id"]].append(row)
    data = []
    for job_id in dict.fromkeys(job_ids):
        xs = [position(row, axis, jobs[job_id]) for row in rows[job_id]]
        values = [flatten(epoch_document(row)) for row in rows[job_id]]
        for key in dict.fromkeys(keys):
            ys = [value.get(key, value.get(f"metrics.{key}")) for value in values]
            data.append({"job_id": job_id, "name": jobs[job_id]["name"], "key": key, "x": xs, "y": ys})
    return {"object": "list", "x": axis, "data": data, "has_more": False}


def position(row: Row, axis: Axis, job: Row) -> Any:
    """Where the row lies on the axis. Every epoch of a job has the same number of steps."""
    if axis == "epoch":
        return row["epoch"]
    if axis == "samples":
        return int(row["samples_seen"])
    if axis == "seconds":
        return number(row["seconds"])
    steps = job["progress"].get("steps")
    return row["epoch"] * steps // job["epochs"] if steps and job["epochs"] else None
