"""The feed over HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from app.dependencies import CurrentProject, NotificationsDep, Text, Wait, allow, in_session, reply
from app.errors import ServiceError
from app.feed import service
from app.feed.repository import Place
from app.feed.schemas import Feed
from app.feed.service import News
from app.gate import authenticate
from app.notifications import EVERYTHING
from app.openapi import errors
from app.rendering import render

router = APIRouter(tags=["rows"], dependencies=[Depends(allow("read"))])
Hold = Callable[[Place | None, float], Awaitable[News]]
Kind = Literal["job", "epoch", "event", "checkpoint"]
CURSOR = f"^(?:{service.NOW}|{service.CURSOR.pattern})?$"
UNSETTLED_SECONDS = 0.2
"""After news that a running transaction still holds back, look again this soon."""
KEEP_ALIVE_SECONDS = 15.0
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": Feed,
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    },
    **errors(),
}


@router.get("/v1/feed", responses=RESPONSES)
async def follow_project(
    request: Request,
    project: CurrentProject,
    notifications: NotificationsDep,
    after: Annotated[Text | None, Query(pattern=CURSOR, description="A cursor, or `now`; left out: all")] = None,
    kind: Annotated[list[Kind] | None, Query(max_length=4)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    wait: Wait = 0,
    last_event_id: Annotated[str | None, Header(pattern=CURSOR)] = None,
) -> Response:
    """Everything that changed in the project since the cursor. `Accept: text/event-stream` makes it a stream."""
    place = service.read_cursor(last_event_id or after)
    kinds = kind or service.KINDS

    async def read(start: Place | None) -> News:
        return await in_session(project, lambda session: service.news_after(session, start, kinds, limit))

    async def hold(start: Place | None, seconds: float) -> News:
        async def look() -> tuple[bool, News]:
            found = await read(start)
            return bool(found.data) or start is None, found

        return await notifications.hold(EVERYTHING, seconds, look, recheck_seconds=UNSETTLED_SECONDS)

    if "text/event-stream" in request.headers.get("accept", ""):
        authorization = request.headers.get("authorization", "").encode("latin-1")
        body = stream(place, hold, authorization)
        return StreamingResponse(body, media_type="text/event-stream", headers={"x-accel-buffering": "no"})
    return reply((await hold(place, wait)).document())


async def stream(place: Place | None, hold: Hold, authorization: bytes) -> AsyncIterator[bytes]:
    """Frames for as long as the key is good; `id:` is the cursor to go on from."""
    while True:
        try:
            await authenticate(authorization)
            found = await hold(place, KEEP_ALIVE_SECONDS)
        except ServiceError:
            return
        for entry in found.data:
            head = f"id: {entry['cursor']}\nevent: {entry['kind']}\ndata: "
            yield head.encode() + render(entry) + b"\n\n"
        if not found.data and place is not None:
            yield b": still here\n\n"
        place = service.read_cursor(found.cursor)
