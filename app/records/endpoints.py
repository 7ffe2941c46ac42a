"""A job's rows over HTTP: epochs, steps, events, attempts, logs."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from app.dependencies import (
    CurrentProject,
    JobId,
    NotificationsDep,
    RepliesDep,
    SessionDep,
    Wait,
    allow,
    in_session,
    reply,
)
from app.notifications import Notifications
from app.openapi import errors
from app.records import service
from app.records.schemas import AttemptList, EpochList, EventList, Log, StepList
from app.records.service import Found, Kind

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["rows"], dependencies=[Depends(allow("read"))])


def responses(model: type[Any]) -> dict[int | str, dict[str, Any]]:
    """A list of rows as JSON, or as CSV with `format=csv`."""
    return {200: {"model": model, "content": {"text/csv": {"schema": {"type": "string"}}}}, **errors()}


@dataclass(frozen=True)
class Past:
    """Which rows are asked for."""

    after_seq: Annotated[int, Query(ge=0, lt=2**63, description="The highest seq already seen")] = 0
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000
    wait: Wait = 0
    format: Literal["json", "csv"] = "json"


MaxPoints = Annotated[int | None, Query(ge=1, le=10_000, description="The whole run, thinned; instead of after_seq")]
PastDep = Annotated[Past, Depends()]


async def rows(kind: Kind, job_id: str, project: str, notifications: Notifications, past: Past) -> Found:
    """Rows past `after_seq`, held until there is one or the job has ended."""

    async def look() -> tuple[bool, Found]:
        found = await in_session(project, lambda s: service.rows_after(s, kind, job_id, past.after_seq, past.limit))
        return bool(found.data) or found.ended, found

    return await notifications.hold(job_id, past.wait, look)


def answer(found: Found, past: Past) -> Response:
    if past.format == "csv":
        return Response(service.as_csv(found.data), media_type="text/csv; charset=utf-8")
    return reply(found.document())


async def series(
    kind: Kind, job_id: str, project: str, notifications: Notifications, past: Past, max_points: int | None
) -> Response:
    """What epochs and steps have in common: a run may be asked for from a row on, or thinned as a whole."""
    if max_points is None:
        return answer(await rows(kind, job_id, project, notifications, past), past)
    return answer(await in_session(project, lambda s: service.thinned(s, kind, job_id, max_points)), past)


@router.get("/epochs", responses=responses(EpochList))
async def list_epochs(
    request: Request,
    job_id: JobId,
    project: CurrentProject,
    notifications: NotificationsDep,
    replies: RepliesDep,
    past: PastDep,
    max_points: MaxPoints = None,
) -> Response:
    """One row for each epoch. `wait` holds the answer until a row past `after_seq` is there or the job has ended."""
    with replies.reading(job_id) as reading:
        response = await series(service.EPOCHS, job_id, project, notifications, past, max_points)
        if not past.wait:
            reading.keep(request.scope, project, response.raw_headers, bytes(response.body))
    return response


@router.get("/steps", responses=responses(StepList))
async def list_steps(
    job_id: JobId,
    project: CurrentProject,
    notifications: NotificationsDep,
    past: PastDep,
    max_points: MaxPoints = None,
) -> Response:
    """The step series: a row each `log_every_steps`."""
    return await series(service.STEPS, job_id, project, notifications, past, max_points)


@router.get("/events", responses=responses(EventList))
async def list_events(
    job_id: JobId, project: CurrentProject, notifications: NotificationsDep, past: PastDep
) -> Response:
    """What happened to the job."""
    return answer(await rows(service.EVENTS, job_id, project, notifications, past), past)


@router.get("/attempts", responses={200: {"model": AttemptList}, **errors()})
def list_attempts(
    job_id: JobId,
    session: SessionDep,
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 200,
) -> Response:
    """Each claim of the job by a worker, and how it ended."""
    return reply(service.list_attempts(session, job_id, after, limit))


@router.get("/logs", responses={200: {"model": Log}, **errors()})
def show_log(
    job_id: JobId,
    session: SessionDep,
    attempt: Annotated[int | None, Query(ge=1, lt=2**63, description="Left out: the newest")] = None,
    tail: Annotated[int, Query(ge=1, le=100_000)] = 200,
) -> Response:
    """The last lines that an attempt's trainer wrote to stderr."""
    return reply(service.tail(session, job_id, attempt, tail))
