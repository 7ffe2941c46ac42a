"""Server-sent events."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.dependencies import CurrentProject, JobId, NotificationsDep, allow, in_session
from app.errors import ServiceError
from app.gate import authenticate
from app.openapi import errors
from app.stream import service
from app.stream.service import Batch

router = APIRouter(tags=["rows"], dependencies=[Depends(allow("read"))])

Kind = Literal["epoch", "step", "status", "event", "checkpoint"]
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Frames until the job has ended",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    204: {"description": "The job has ended and everything was told: do not connect again"},
    **errors(),
}


@router.get("/v1/jobs/{job_id}/stream", response_class=StreamingResponse, responses=RESPONSES)
async def stream_job(
    request: Request,
    job_id: JobId,
    project: CurrentProject,
    notifications: NotificationsDep,
    kind: Annotated[list[Kind] | None, Query(max_length=5)] = None,
    after_seq: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> Response:
    """Everything that happens to the job; `Last-Event-ID` (or `after_seq`) goes on where a client stopped."""
    told = last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit()
    start = min(int(last_event_id), 2**63 - 1) if told and last_event_id else after_seq
    kinds = kind or service.KINDS
    authorization = request.headers.get("authorization", "").encode("latin-1")

    async def look(seq: int) -> Batch:
        return await in_session(project, lambda session: service.next_batch(session, job_id, seq, kinds))

    async def still_allowed() -> None:
        await authenticate(authorization)

    first = await look(start)
    if told and first.over and not first.rows:
        return Response(status_code=204)
    frames = service.follow(notifications, job_id, start, kinds, look, still_allowed)
    return StreamingResponse(quietly(frames), media_type="text/event-stream", headers={"x-accel-buffering": "no"})


async def quietly(frames: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A stream ends where its key or its job does; the client asks again and is told why."""
    try:
        async for one in frames:
            yield one
    except ServiceError:
        return
