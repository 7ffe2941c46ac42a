"""Another number of epochs for a job that is there: `job.epochs` is in force, the resolved spec stays as it was.

Where the schedule does not depend on the number, the run comes out as if it had been submitted with it.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from sqlalchemy import func, select

from app.database import ProjectSession
from app.datasets.references import Catalog
from app.doorbell import ring_soon
from app.errors import InvalidPayload, PointedError
from app.jobs import repository
from app.jobs.journal import record_event
from app.jobs.leases.epochs import forget_last, in_force
from app.jobs.lifecycle import transition
from app.jobs.repository import Row
from app.jobs.service import not_allowed
from app.jobs.spec import SpecError, plan, resolve, validate
from app.models import Epoch
from app.projects.quotas import check_submit

FIXED_TOTAL = ("OneCycleLR", "WarmupCosine", "RangeTest")
"""Schedules that are laid out over all of a job's epochs."""


def change_epochs(session: ProjectSession, job: Row, epochs: int) -> None:
    """`job` is locked. Raises InvalidPayload where the number cannot change, Conflict where the state forbids it."""
    if job["status"] not in ("queued", "running", "paused", "succeeded"):
        raise not_allowed("given other epochs", job["status"])
    if epochs == job["epochs"]:
        return
    for reason in objections(session, job, epochs):
        raise refusal(reason)
    steps = steps_of(job, epochs)
    ended = job["status"] == "succeeded"
    check_submit(session, job["project_id"], int(ended), epochs)
    values: dict[str, Any] = {"epochs": epochs, "progress": {**job["progress"], "steps": steps}}
    message = f"The job is to have {epochs} epochs instead of {job['epochs']}."
    data = {"epochs": epochs, "before": job["epochs"]}
    if ended:
        forget_last(session, job["id"], job["epochs"])
        transition(session, job["id"], ["succeeded"], "queued", failures=0, stopped=None, test=None, **values)
        record_event(session, job["id"], "queued", message, data=data)
        session.after_commit.append(partial(ring_soon, job["queue"]))
        return
    running = job["status"] == "running"
    repository.update_job(session, job["id"], values | ({"request": "requeue"} if running else {}))
    record_event(session, job["id"], "epochs_changed", message, data=data)
    if running:
        repository.request_attention(session, job["id"])


def objections(session: ProjectSession, job: Row, epochs: int) -> Iterator[str]:
    resolved = job["resolved_spec"]
    if "epochs" not in resolved["training"]:
        yield "a job with phases has the epochs of its phases"
        return
    if job["sweep_id"] is not None:
        yield "the points of a sweep have the sweep's epochs"
    fixed = next((kind for kind in types_in(resolved["scheduler"]) if kind in FIXED_TOTAL), None)
    if fixed is not None:
        yield f"{fixed} is laid out over the job's {job['epochs']} epochs"
    if job["status"] == "succeeded" and job["stopped"] is not None:
        yield f"the training ended in epoch {job['stopped']['epoch']}, by {job['stopped']['reason']}"
    recorded = session.scalar(select(func.coalesce(func.max(Epoch.epoch), 0)).where(Epoch.job_id == job["id"])) or 0
    done = max(recorded, int(job["progress"].get("epoch", 0)))
    if epochs < done:
        yield f"{done} epochs are done already"


def types_in(scheduler: dict[str, Any] | None) -> Iterator[str]:
    if scheduler is not None:
        yield scheduler["type"]
        for inner in scheduler.get("schedulers") or []:
            yield from types_in(inner)


def steps_of(job: Row, epochs: int) -> int | None:
    """All steps of so many epochs, after checking that the spec allows them. Raises InvalidPayload."""
    try:
        spec, catalog = validate(in_force(job["resolved_spec"], epochs)), Catalog(job["project_id"])
        resolve(spec, catalog.facts_of)
        return plan(spec, catalog.facts_of).steps
    except SpecError as error:
        first = error.errors[0]
        raise refusal(f"{first['pointer']}: {first['detail']}") from None


def refusal(detail: str) -> InvalidPayload:
    return InvalidPayload(
        f"The epochs cannot be changed: {detail}.", errors=[PointedError(pointer="/epochs", detail=detail)]
    )
