"""Jobs over HTTP."""

import re
from functools import partial
from typing import Annotated, Any, Literal

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Header, Query, Request, Response

from app.bodies import read_as
from app.database import ProjectSession
from app.dependencies import (
    After,
    CurrentProject,
    JobId,
    JsonBody,
    Limit,
    NotificationsDep,
    RepliesDep,
    SessionDep,
    Text,
    Wait,
    allow,
    in_session,
    reply,
)
from app.errors import InvalidPayload, NotFound, PointedError
from app.gate import is_among
from app.jobs import moves, repository, service, submission
from app.jobs.examples import SPEC
from app.jobs.fork import fork
from app.jobs.lifecycle import ENDED
from app.jobs.repository import Filters
from app.jobs.reproduction import reproduce
from app.jobs.schemas import Change, DryRun, Fork, Job, JobList, Order, Resume, Status
from app.openapi import errors, json_body

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
READ = [Depends(allow("read"))]
WRITE = [Depends(allow("write"))]
SPEC_SCHEMA = {"$ref": "#/components/schemas/JobSpec"}
MOVED: dict[int | str, dict[str, Any]] = {
    200: {"model": Job, "description": "It is there already"},
    202: {"model": Job, "description": "It moves"},
}

# A submit may wait seconds for its dry run: that must not take the threads of those who only ask.
submits = CapacityLimiter(20)
FORK = {"checkpoint": "latest", "spec": {"optimizer": {"lr": 0.001}}}
IdempotencyKey = Annotated[str | None, Header(max_length=255)]
METADATA = re.compile(r"metadata\[(.{1,64})\]")


@router.post(
    "",
    status_code=201,
    dependencies=WRITE,
    responses={
        200: {"model": DryRun, "description": "What the spec means (dry_run)"},
        201: {"model": Job, "description": "The job is in the queue"},
        **errors(409, 413),
    },
    openapi_extra=json_body(SPEC_SCHEMA, SPEC),
)
async def submit_job(
    project: CurrentProject,
    document: JsonBody,
    dry_run: bool = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Queue a job, or with `dry_run` only tell what its spec means."""
    if dry_run:
        return reply(await to_thread.run_sync(submission.dry_run, project, document, limiter=submits))
    submit = partial(submission.submit, project, document, idempotency_key)
    return created(*await to_thread.run_sync(submit, limiter=submits))


def created(status: int, body: bytes, replayed: bool) -> Response:
    return Response(body, status, {"idempotent-replayed": "true"} if replayed else {}, media_type="application/json")


@router.get("", dependencies=READ, responses={200: {"model": JobList}, **errors()})
def list_jobs(
    request: Request,
    session: SessionDep,
    after: After = None,
    limit: Limit = 20,
    order: Order = "desc",
    status: Annotated[list[Status] | None, Query(max_length=8)] = None,
    sweep_id: Annotated[Text | None, Query(max_length=64)] = None,
    q: Annotated[Text | None, Query(max_length=200, description="Part of a name, or an id")] = None,
    view: Literal["summary", "full"] = "summary",
) -> Response:
    """Jobs, the newest first; `metadata[key]=value` narrows the list to jobs that carry the pair."""
    pairs = metadata_filter(request)
    filters = Filters(statuses=status or (), metadata=pairs, sweep_id=sweep_id, words=q)
    found = service.listing(
        session, filters, after=after, limit=limit, newest_first=order == "desc", full=view == "full"
    )
    return reply(found)


def metadata_filter(request: Request) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        match = METADATA.fullmatch(name)
        if match is None:
            continue
        if "\0" in name + value:
            wrong = PointedError(pointer="/query/metadata", detail="contains the character U+0000")
            raise InvalidPayload("Some parameters are wrong.", errors=[wrong])
        pairs[match[1]] = value
    return pairs


@router.get("/{job_id}", dependencies=READ, responses={200: {"model": Job}, 304: {}, **errors()})
async def show_job(
    job_id: JobId,
    request: Request,
    project: CurrentProject,
    notifications: NotificationsDep,
    replies: RepliesDep,
    wait: Wait = 0,
    since: Annotated[int | None, Query(ge=0, lt=2**63, description="The version last seen")] = None,
    if_none_match: Annotated[str | None, Header(max_length=1000)] = None,
) -> Response:
    """The job; with `wait`, once its version is greater than `since` (left out: than the one of now)."""
    seen = since

    async def look() -> tuple[bool, None]:
        nonlocal seen
        row = await in_session(project, lambda session: repository.get_version(session, job_id))
        if row is None:
            raise NotFound("There is no such job.")
        seen = row["version"] if seen is None else seen
        return row["version"] > seen or row["status"] in ENDED, None

    if wait:
        await notifications.hold(job_id, wait, look)
    with replies.reading(job_id) as reading:
        document, tag = await in_session(project, lambda session: service.show(session, job_id))
        response = reply(document, headers={"etag": tag})
        if not wait and document["waiting"] is None:  # no version counts why a job waits
            reading.keep(request.scope, project, response.raw_headers, bytes(response.body))
    if if_none_match is not None and is_among(tag.encode(), if_none_match.encode()):
        return Response(status_code=304, headers={"etag": tag})
    return response


@router.patch(
    "/{job_id}",
    dependencies=WRITE,
    responses={200: {"model": Job}, **errors(409, 412)},
    openapi_extra=json_body({"$ref": "#/components/schemas/Change"}, {"name": "a better name", "priority": 5}),
)
def change_job(
    job_id: JobId,
    session: SessionDep,
    body: JsonBody,
    if_match: Annotated[str | None, Header(max_length=1000)] = None,
) -> Response:
    """New name, metadata (the whole of it), priority or number of epochs."""
    moves.change(session, job_id, read_as(Change, body), if_match)
    document, tag = service.show(session, job_id)
    return reply(document, headers={"etag": tag})


@router.post("/{job_id}/cancel", status_code=202, dependencies=WRITE, responses={**MOVED, **errors(409)})
def cancel_job(job_id: JobId, session: SessionDep) -> Response:
    """End a job that has not ended; a running one at its next step."""
    return moved(session, job_id, moves.cancel)


@router.post("/{job_id}/pause", status_code=202, dependencies=WRITE, responses={**MOVED, **errors(409)})
def pause_job(job_id: JobId, session: SessionDep) -> Response:
    """Save a checkpoint at the next step boundary and give the slot up."""
    return moved(session, job_id, moves.pause)


@router.post(
    "/{job_id}/resume",
    status_code=202,
    dependencies=WRITE,
    responses={**MOVED, **errors(409)},
    openapi_extra=json_body({"$ref": "#/components/schemas/Resume"}, {"checkpoint": None}, required=False),
)
def resume_job(job_id: JobId, session: SessionDep, body: JsonBody) -> Response:
    """Go on with a paused, failed or cancelled job at its latest checkpoint, or at the one named."""
    checkpoint = read_as(Resume, body).checkpoint
    return moved(session, job_id, partial(moves.resume, checkpoint_id=checkpoint))


@router.post(
    "/{job_id}/fork",
    status_code=201,
    dependencies=WRITE,
    responses={201: {"model": Job, "description": "The new job"}, **errors(409, 413)},
    openapi_extra=json_body({"$ref": "#/components/schemas/Fork"}, FORK, required=False),
)
async def fork_job(
    job_id: JobId, project: CurrentProject, body: JsonBody, idempotency_key: IdempotencyKey = None
) -> Response:
    """A new job from a checkpoint of this one, with changes to its spec; the event `forked` tells what it took over."""
    made = partial(fork, project, job_id, read_as(Fork, body), idempotency_key)
    return created(*await to_thread.run_sync(made, limiter=submits))


@router.post(
    "/{job_id}/reproduce",
    status_code=201,
    dependencies=WRITE,
    responses={201: {"model": Job, "description": "The new job"}, **errors(409)},
)
async def reproduce_job(job_id: JobId, project: CurrentProject, idempotency_key: IdempotencyKey = None) -> Response:
    """Train the resolved spec of a succeeded job again; `reproduction` compares row by row, and the weights."""
    made = partial(reproduce, project, job_id, idempotency_key)
    return created(*await to_thread.run_sync(made, limiter=submits))


@router.delete("/{job_id}", status_code=204, dependencies=WRITE, responses=errors(409))
def delete_job(job_id: JobId, session: SessionDep) -> Response:
    """Remove an ended job with its rows and checkpoints."""
    moves.remove(session, job_id)
    return Response(status_code=204)


def moved(session: ProjectSession, job_id: str, move: moves.Move) -> Response:
    changed = moves.perform(session, job_id, move)
    document, tag = service.show(session, job_id)
    return reply(document, 202 if changed else 200, {"etag": tag})
