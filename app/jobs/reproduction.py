"""A job's resolved spec trained again by a new job, which says at its end whether it came out the same."""

from functools import partial
from typing import Any

from app.database import ProjectSession
from app.datasets.references import Catalog
from app.jobs import service, submission
from app.jobs.idempotency import Reservation
from app.jobs.repository import Row
from app.jobs.spec import SpecError, validate
from app.jobs.submitted import Submission
from app.weights import references as weights
from app.weights.repository import get_weights


def reproduce(project_id: str, job_id: str, key: str | None) -> tuple[int, bytes, bool]:
    """Status and body of the reply, and whether it is a stored one. Raises NotFound, Conflict, InvalidPayload."""
    with ProjectSession(project_id) as session:
        original = service.find(session, job_id)
    if original["status"] != "succeeded":
        raise service.not_allowed("reproduced", original["status"])

    def work(reservation: Reservation | None) -> bytes:
        return submission.store(project_id, (again(original), []), reservation, partial(add, original=original))

    return submission.once(project_id, key, f"POST /v1/jobs/{job_id}/reproduce", None, work)


def again(original: Row) -> Submission:
    """The very same resolved spec. Raises InvalidPayload when its data are gone."""
    resolved, catalog = original["resolved_spec"], Catalog(original["project_id"])
    try:
        spec = validate(resolved)
        found = weights.of_spec(catalog, spec)
        datasets = catalog.as_json(resolved)
    except SpecError as error:
        raise submission.refusal(error.errors) from None
    steps, epochs = original["progress"].get("steps") or 0, original["epochs"]
    return Submission(spec, original["spec"], resolved, steps, epochs, datasets, found)


def add(session: ProjectSession, submitted: Submission, *, original: Row) -> str:
    """A fork is reproduced from the checkpoint that it started from itself."""
    columns: dict[str, Any] = {key: original[key] for key in ("parent_job_id", "parent_checkpoint_id")}
    reference = columns["parent_checkpoint_id"]
    if reference is not None:
        assert get_weights(session, original["project_id"], reference) is not None, "held as long as the fork is there"
    unknown = {"verdict": None, "first_difference": None, "environment_differs": None}
    return service.add(session, submitted, **columns, reproduction={"job_id": original["id"], **unknown})
