"""Previews over HTTP: what a schedule or an optimizer would do, from the real torch objects."""

from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Response

from app.dependencies import CurrentProject, JsonBody, allow, reply
from app.errors import Unavailable
from app.jobs.spec import SpecError
from app.jobs.submission import refusal
from app.jobs.workers import answer_previews, workers_now
from app.openapi import errors, json_body
from app.previews import service
from app.previews.questions import read_schedule, read_trajectory
from app.previews.schemas import (
    SCHEDULE_EXAMPLE,
    SCHEDULE_SCHEMA,
    TRAJECTORY_EXAMPLE,
    TRAJECTORY_SCHEMA,
    Schedule,
    TrajectoryPoint,
)

router = APIRouter(prefix="/v1/previews", tags=["previews"], dependencies=[Depends(allow("read"))])
questions = CapacityLimiter(8)


@router.post(
    "/schedule",
    responses={200: {"model": Schedule}, **errors(413)},
    openapi_extra=json_body(SCHEDULE_SCHEMA, SCHEDULE_EXAMPLE),
)
async def preview_schedule(project: CurrentProject, document: JsonBody) -> Response:
    """The learning rates of each parameter group, point by point."""
    return reply(await to_thread.run_sync(schedule, project, document, limiter=questions))


@router.post(
    "/trajectory",
    responses={200: {"model": list[TrajectoryPoint]}, **errors(413)},
    openapi_extra=json_body(TRAJECTORY_SCHEMA, TRAJECTORY_EXAMPLE),
)
async def preview_trajectory(project: CurrentProject, document: JsonBody) -> Response:
    """The way of a Function's numbers under an optimizer."""
    return reply(await to_thread.run_sync(trajectory, project, document, limiter=questions))


def schedule(project_id: str, document: Any) -> dict[str, Any]:
    try:
        read_schedule(document)
    except SpecError as error:
        raise refusal(error.errors) from None
    return ask(project_id, "schedule", document)


def trajectory(project_id: str, document: Any) -> list[dict[str, Any]]:
    try:
        resolved = read_trajectory(document)
    except SpecError as error:
        raise refusal(in_question(error.errors)) from None
    found: list[dict[str, Any]] = ask(project_id, "trajectory", {"resolved_spec": resolved})["path"]
    return found


def ask(project_id: str, kind: str, question: dict[str, Any]) -> dict[str, Any]:
    """Raises InvalidPayload, and Unavailable without a previews worker."""
    if not answer_previews(workers_now(project_id)):
        raise Unavailable("No previews worker is there to answer.", retry_after=5)
    try:
        return service.ask(kind, question, remember=False)
    except service.Refused as refused:
        raise refusal(in_question(refused.errors)) from None


def in_question(errors: Any) -> list[dict[str, str]]:
    """A trajectory's steps are the epochs of the job that it is worked out as."""
    return [{**error, "pointer": error["pointer"].replace("/training/epochs", "/steps", 1)} for error in errors]
