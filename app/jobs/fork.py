"""A new job that starts from another one's checkpoint, with a spec that is the other's changed by a merge patch."""

import copy
from functools import partial
from typing import Any

from app.database import ProjectSession
from app.errors import Conflict, InvalidPayload, PointedError
from app.jobs import service, submission
from app.jobs.idempotency import Reservation
from app.jobs.journal import record_event
from app.jobs.repository import Row
from app.jobs.schemas import Fork
from app.jobs.spec import SpecError
from app.jobs.submitted import Submission
from app.weights import references as weights
from app.weights.references import Found


def fork(project_id: str, job_id: str, wanted: Fork, key: str | None) -> tuple[int, bytes, bool]:
    """Status and body of the reply, and whether it is a stored one. Raises NotFound, InvalidPayload, Conflict."""
    with ProjectSession(project_id) as session:
        parent = service.find(session, job_id)

    def work(reservation: Reservation | None) -> bytes:
        origin = checkpoint_of(parent, wanted.checkpoint)
        document = merged(base(parent), wanted.spec)
        found = submission.checked(project_id, document)
        return submission.store(project_id, found, reservation, partial(add, parent=parent, origin=origin))

    body = wanted.model_dump()
    return submission.once(project_id, key, f"POST /v1/jobs/{job_id}/fork", body, work)


def checkpoint_of(parent: Row, wanted: str) -> Found:
    """The parent's checkpoint, held for the new job when that is stored."""
    if wanted in ("latest", "best") and parent[f"{wanted}_checkpoint_id"] is None:
        raise Conflict(f"The job is {parent['status']} and has no {wanted} checkpoint yet.", code="state_conflict")
    try:
        return weights.find(parent["project_id"], {"job": parent["id"], "checkpoint": wanted})
    except SpecError as error:
        detail = error.errors[0]["detail"]
        wrong = PointedError(pointer="/checkpoint", detail=detail)
        raise InvalidPayload(f"The checkpoint cannot be forked: {detail}.", errors=[wrong]) from None


def base(parent: Row) -> dict[str, Any]:
    """The parent's spec as it was sent, with the data and the epochs that it really has."""
    document: dict[str, Any] = copy.deepcopy(parent["spec"])
    resolved = parent["resolved_spec"]
    if "epochs" in resolved["training"]:
        document["training"]["epochs"] = parent["epochs"]
    dataset = (document.get("data") or {}).get("dataset")
    if isinstance(dataset, str) or (isinstance(dataset, dict) and "type" not in dataset):
        document["data"]["dataset"] = resolved["data"]["dataset"]
    document["model"].pop("initial_weights", None)  # the checkpoint takes their place
    return document


def merged(target: Any, patch: Any) -> Any:
    """RFC 7396: objects are merged, null removes, anything else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def add(session: ProjectSession, submitted: Submission, *, parent: Row, origin: Found) -> str:
    """The new job, and a hold on the checkpoint: the parent may forget it, the fork keeps it."""
    weights.hold(session, origin)
    reference = origin.file.reference
    job_id = service.add(session, submitted, parent_job_id=parent["id"], parent_checkpoint_id=reference)
    message = f"The job was forked from {parent['id']} at {reference}."
    record_event(session, job_id, "fork", message, data={"job_id": parent["id"], "checkpoint": reference})
    return job_id
