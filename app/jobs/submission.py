"""From a document to a queued job: checked, resolved, and tried out by the previews worker where there is one."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from app import failpoints
from app.database import ProjectSession
from app.datasets.references import Catalog
from app.doorbell import ring_soon
from app.errors import InvalidPayload, PointedError, Unavailable
from app.jobs import idempotency, memory, service
from app.jobs.idempotency import Reservation
from app.jobs.placement import offers_cuda, pays_on_cuda, queue_of
from app.jobs.repository import Row
from app.jobs.spec import JobSpec, SpecError, plan, resolve, validate
from app.jobs.submitted import Submission
from app.jobs.workers import answer_previews, workers_now
from app.previews import service as previews
from app.projects.audit import record
from app.projects.quotas import check_submit
from app.rendering import render
from app.settings import get_settings
from app.weights import references as weights

logger = logging.getLogger(__name__)

Checked = tuple[Submission, list[PointedError]]


def read(document: Any, workers: Sequence[Row], catalog: Catalog) -> Submission:
    """Everything that can be checked without torch. Raises InvalidPayload with pointers."""
    if document is None:
        raise InvalidPayload("A job spec is needed.", errors=[PointedError(pointer="", detail="is required")])
    try:
        spec = validate(document)
        resolved = resolved_for(spec, workers, catalog)
        work = plan(spec, catalog.facts_of)
        found = weights.of_spec(catalog, spec)
    except SpecError as error:
        raise refusal(error.errors) from None
    if found is not None:
        resolved = weights.resolved_with(resolved, found)
    return Submission(spec, document, resolved, work.steps, work.epochs, catalog.as_json(resolved), found)


def resolved_for(spec: JobSpec, workers: Sequence[Row], catalog: Catalog) -> dict[str, Any]:
    """For the CPU where the spec leaves the device open, and the CPU takes it. Raises SpecError."""
    try:
        return resolve(spec, catalog.facts_of)
    except SpecError:
        if not may_move(spec, workers):
            raise
        return resolve(spec, catalog.facts_of, cuda=True)


def may_move(spec: JobSpec, workers: Sequence[Row]) -> bool:
    """Whether the device is the service's choice, and CUDA one of them."""
    return spec.resources.device == "auto" and offers_cuda(workers, spec.resources.labels)


def placed(submission: Submission, workers: Sequence[Row], catalog: Catalog) -> tuple[Submission, dict[str, Any]]:
    """The submission on the device where it will train, and its dry run. Raises InvalidPayload, Unavailable."""
    found = try_out(submission, workers)
    spec = submission.spec
    if not may_move(spec, workers) or not pays_on_cuda(plan(spec, catalog.facts_of), found["model"]):
        return submission, found
    try:
        moved = on_device(submission, "cuda", catalog)
        return moved, try_out(moved, workers)
    except (SpecError, InvalidPayload):  # such as a layer that has no deterministic form there
        return submission, found


def on_device(submission: Submission, device: str, catalog: Catalog) -> Submission:
    """The submission resolved for the device that the service chose. Raises SpecError."""
    if submission.resolved["resources"]["device"] == device:
        return submission
    resolved = resolve(submission.spec, catalog.facts_of, cuda=device == "cuda")
    if submission.weights is not None:
        resolved = weights.resolved_with(resolved, submission.weights)
    return replace(submission, resolved=resolved)


def try_out(submission: Submission, workers: Sequence[Row]) -> dict[str, Any]:
    """The dry run, by the real torch objects. Raises InvalidPayload, and Unavailable without a previews worker."""
    if not answer_previews(workers):
        raise Unavailable("No previews worker is there to try the spec out.", retry_after=5)
    try:
        question = {"resolved_spec": deciding(submission.resolved), "datasets": submission.datasets}
        if submission.weights is not None:
            question["weights"] = submission.weights.file.as_json()
        found = previews.ask("dry_run", question)
    except previews.Refused as refused:
        raise refusal(refused.errors) from None
    limit, needed = get_settings().job_memory_bytes, memory.least_bytes(found["model"])
    if limit and needed > limit:
        raise refusal([PointedError(pointer="/model", detail=memory.refusal(needed, limit))])
    return found


def tried_out(submission: Submission, workers: Sequence[Row], catalog: Catalog) -> Checked:
    """The submission with the model's sizes filled in, and warnings; as it is when there is no dry run to ask.

    Raises InvalidPayload.
    """
    try:
        submission, found = placed(submission, workers, catalog)
    except Unavailable as away:
        logger.info("accepted without a dry run: %s", away.detail)
        return submission, []
    resolved = submission.resolved | {"model": found["resolved_spec"]["model"]}
    batch = resolved["training"].get("batch_size") or 1
    a_sample = 3 * (found["model"].get("flops_per_sample") or 0)  # forward, and twice as much back
    flops = a_sample * batch * (submission.steps or 0)
    parameters = found["model"].get("parameters")
    return replace(submission, resolved=resolved, flops=float(flops), parameters=parameters), found.get("warnings", [])


def deciding(resolved: dict[str, Any]) -> dict[str, Any]:
    """The resolved spec without what no dry run depends on, so that a sweep's points ask the same question once."""
    rest = {key: value for key, value in resolved.items() if key not in ("name", "metadata")}
    return {**rest, "seed": 0}


def refusal(errors: Sequence[Any]) -> InvalidPayload:
    found = [PointedError(pointer=error["pointer"], detail=error["detail"]) for error in errors]
    first = f"{found[0]['pointer'] or 'The spec'} {found[0]['detail']}" if found else "The spec is wrong."
    return InvalidPayload(first, errors=found, code="invalid_spec")


def dry_run(project_id: str, document: Any) -> dict[str, Any]:
    """What the spec means; nothing is stored. Raises InvalidPayload, Unavailable."""
    workers = workers_now(project_id)
    catalog = Catalog(project_id)
    submission, found = placed(read(document, workers, catalog), workers, catalog)
    kept = {key: submission.resolved[key] for key in ("name", "metadata", "seed")}
    return {**found, "resolved_spec": {**found["resolved_spec"], **kept}}


def submit(project_id: str, document: Any, idempotency_key: str | None) -> tuple[int, bytes, bool]:
    """Status and body of the reply, and whether it is a stored one. Raises InvalidPayload, Conflict."""

    def work(reservation: Reservation | None) -> bytes:
        return store(project_id, checked(project_id, document), reservation)

    return once(project_id, idempotency_key, "POST /v1/jobs", document, work)


def once(
    project_id: str, idempotency_key: str | None, route: str, body: Any, work: Callable[[Reservation | None], bytes]
) -> tuple[int, bytes, bool]:
    """What `work` replies, or what it replied when the key was used first."""
    if idempotency_key is None:
        return 201, work(None), False
    held = idempotency.reserve(project_id, idempotency_key, idempotency.fingerprint(route, body))
    if isinstance(held, idempotency.Stored):
        return held.status_code, render(held.response), True
    failpoints.reach("after_reservation")
    try:
        return 201, work(held), False
    except BaseException:
        idempotency.release(held)
        raise


def checked(project_id: str, document: Any) -> Checked:
    """A document that was found good, and what to warn of. Raises InvalidPayload."""
    workers, catalog = workers_now(project_id), Catalog(project_id)
    return tried_out(read(document, workers, catalog), workers, catalog)


def store(
    project_id: str,
    found: Checked,
    reservation: Reservation | None,
    add: Callable[[ProjectSession, Submission], str] = service.add,
) -> bytes:
    """The reply that tells of the new job."""
    submission, warnings = found
    with ProjectSession(project_id) as session, session.begin():
        size = {"parameters": submission.parameters or 0, "step_rows": submission.step_rows}
        check_submit(session, project_id, 1, submission.epochs, **size)
        job_id = add(session, submission)
        record(session, job_id)
        job, _ = service.show(session, job_id)
        body = render(job | {"warnings": warnings} if warnings else job)
        if reservation is not None:
            idempotency.keep(session, reservation, 201, body)
        failpoints.reach("before_submit_commit")
    failpoints.reach("after_submit_commit")
    ring_soon(queue_of(submission.resolved["resources"]))
    return body
