"""Cancel, pause, resume, change, remove: each through the gate in `lifecycle.py`; who loses a race looks again."""

from collections.abc import Callable
from functools import partial
from typing import Any

from app import failpoints, storage
from app.aliases.references import refuse_named
from app.checkpoints.repository import get_checkpoint
from app.database import ProjectSession
from app.doorbell import ring_soon
from app.errors import Conflict, InvalidPayload, PointedError, ServiceError
from app.jobs import repository
from app.jobs.documents import tag_version
from app.jobs.epochs import change_epochs
from app.jobs.journal import record_event
from app.jobs.lifecycle import ENDED, Status, transition
from app.jobs.repository import Row
from app.jobs.schemas import Change
from app.jobs.service import find, not_allowed
from app.weights.references import let_go

RACES = 5
"""How often a move looks again when the job has moved meanwhile."""

Move = Callable[[ProjectSession, Row], bool | None]
"""True: moved. False: it was there already. None: lost a race, look again."""


class PreconditionFailed(ServiceError):
    status_code, code, title = 412, "precondition_failed", "The job has changed"


def perform(session: ProjectSession, job_id: str, move: Move) -> bool:
    """Whether the job moved; False when there was nothing to do. Raises NotFound, Conflict."""
    for _ in range(RACES):
        moved = move(session, find(session, job_id))
        if moved is not None:
            failpoints.reach("before_move_commit")
            session.after_commit.insert(0, partial(failpoints.reach, "after_move_commit"))
            return moved
    raise Conflict("The job is changing too fast; try again.", code="state_conflict", retry_after=1)


def cancel(session: ProjectSession, job: Row) -> bool | None:
    """At once where nothing runs; else the lease's holder is asked."""
    if job["status"] in ("cancelled", "cancelling"):
        return False
    if job["status"] in ("queued", "paused"):
        return end_quietly(session, job, "cancelled", "The job was cancelled before it ran on.")
    if job["status"] in ("running", "pausing"):
        return ask_holder(session, job, "cancelling", "cancel", "The job is asked to stop.")
    raise not_allowed("cancelled", job["status"])


def pause(session: ProjectSession, job: Row) -> bool | None:
    """A running job saves a checkpoint at the next step boundary first."""
    if job["status"] in ("paused", "pausing"):
        return False
    if job["status"] == "queued":
        return end_quietly(session, job, "paused", "The job was paused in the queue.")
    if job["status"] == "running":
        return ask_holder(session, job, "pausing", "pause", "The job is asked to save a checkpoint and pause.")
    raise not_allowed("paused", job["status"])


def resume(session: ProjectSession, job: Row, *, checkpoint_id: str | None = None) -> bool | None:
    """Back into the queue, to go on at its latest checkpoint or at the one named."""
    if job["status"] in ("queued", "running") and checkpoint_id is None:
        return False
    if job["status"] not in ("paused", "failed", "cancelled"):
        raise not_allowed("resumed", job["status"])
    values: dict[str, Any] = {"failures": 0, "error": None, "stopped": None, "waiting": None}
    if checkpoint_id is not None:
        if get_checkpoint(session, job["id"], checkpoint_id) is None:
            wrong = PointedError(pointer="/checkpoint", detail="the job has no such checkpoint")
            raise InvalidPayload("There is no such checkpoint.", errors=[wrong])
        values["latest_checkpoint_id"] = checkpoint_id
    if not transition(session, job["id"], [job["status"]], "queued", **values):
        return None
    checkpoint = checkpoint_id or job["latest_checkpoint_id"]
    message = f"Taken up again at {checkpoint}." if checkpoint else "Taken up again from the start."
    record_event(session, job["id"], "queued", message, data={"checkpoint": checkpoint, "from": job["status"]})
    session.after_commit.append(partial(ring_soon, job["queue"]))
    return True


def end_quietly(session: ProjectSession, job: Row, status: Status, message: str) -> bool | None:
    if not transition(session, job["id"], [job["status"]], status):
        return None
    record_event(session, job["id"], status, message)
    return True


def ask_holder(session: ProjectSession, job: Row, status: Status, request: str, message: str) -> bool | None:
    if not transition(session, job["id"], [job["status"]], status, request=request):
        return None
    record_event(session, job["id"], status, message)
    repository.request_attention(session, job["id"])
    return True


def change(session: ProjectSession, job_id: str, wanted: Change, if_match: str | None) -> None:
    """New name, metadata, priority, epochs. Raises PreconditionFailed for a client that has seen an older version."""
    job = find(session, job_id, lock=True)
    check_match(job, if_match)
    values = {key: getattr(wanted, key) for key in wanted.model_fields_set}
    if "epochs" in values:
        change_epochs(session, job, values.pop("epochs"))
    new = {key: value for key, value in values.items() if job[key] != value}
    if not new:
        return
    repository.update_job(session, job_id, new)
    repository.announce(session, job_id)


def check_match(job: Row, if_match: str | None) -> None:
    if if_match is None or if_match.strip() == "*":
        return
    if job["version"] not in [tag_version(tag) for tag in if_match.split(",")]:
        raise PreconditionFailed(f"The job is at version {job['version']}.")


def remove(session: ProjectSession, job_id: str) -> None:
    """An ended job with all its rows; its files once the rows are gone. Raises Conflict while it could still run."""
    job = find(session, job_id, lock=True)
    if job["status"] not in ENDED:
        raise not_allowed("deleted", job["status"])
    refuse_named(session, job_id)
    repository.delete_job(session, job_id)
    let_go(session, job["resolved_spec"], job["parent_checkpoint_id"])
    repository.announce(session, job_id)
    session.after_commit.append(partial(storage.remove_job, job_id))


__all__ = ["PreconditionFailed", "cancel", "change", "pause", "perform", "remove", "resume"]
