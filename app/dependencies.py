"""What routes ask for: the caller, the project, a session that commits before the reply, the body as JSON."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, TypeVar

from anyio import to_thread
from fastapi import Depends, Header, Path, Query, Request, Response, Security
from fastapi.security import HTTPBearer
from pydantic import AfterValidator

from app.bodies import parse
from app.database import ProjectSession
from app.errors import Forbidden, NotFound
from app.lists import MAX_LIMIT
from app.notifications import Notifications
from app.projects import repository as projects
from app.projects.audit import record
from app.projects.principals import Principal, Scope
from app.projects.quotas import rates
from app.rendering import render
from app.replies import Replies

T = TypeVar("T")

bearer = HTTPBearer(auto_error=False, description="A key: `dsk_...`", scheme_name="key")


async def principal(request: Request, _: Annotated[object, Security(bearer)]) -> Principal:
    found: Principal = request.state.principal  # the gate has let it in
    return found


CurrentPrincipal = Annotated[Principal, Depends(principal)]


def allow(scope: Scope) -> Callable[..., Awaitable[None]]:
    """A dependency: the key must carry the scope."""

    async def check(caller: CurrentPrincipal) -> None:
        if scope not in caller.scopes:
            raise Forbidden(f"The key lacks the scope '{scope}'.")

    return check


async def current_project(
    request: Request,
    caller: CurrentPrincipal,
    descent_project: Annotated[
        str | None, Header(description="One of the key's projects; left out, the first of them", max_length=64)
    ] = None,
) -> str:
    """The project that the request is about. Raises NotFound for one that is not the key's."""
    chosen = descent_project or caller.default_project
    if chosen is None or not caller.may_enter(chosen):
        raise NotFound("The key has no such project.")
    if chosen != caller.default_project:
        await to_thread.run_sync(check_project, chosen)
    if chosen in caller.rates:
        rates.take(chosen, caller.rates[chosen])
    request.state.project = chosen
    return chosen


def check_project(project_id: str) -> None:
    with ProjectSession(None) as session:
        if "\0" in project_id or not projects.project_exists(session, project_id):
            raise NotFound("The key has no such project.")


CurrentProject = Annotated[str, Depends(current_project)]


async def request_session(project: CurrentProject) -> AsyncIterator[ProjectSession]:
    """Committed once, when the route is through and before its reply is sent; rolled back on an error."""
    session = ProjectSession(project)
    try:
        yield session
        await to_thread.run_sync(finish, session)
    finally:
        await to_thread.run_sync(session.close)
    for action in session.after_commit:
        await to_thread.run_sync(action)


def finish(session: ProjectSession) -> None:
    """Commit, and with it the trail's entry when the request was a write."""
    if session.in_transaction():
        record(session)
    session.commit()


SessionDep = Annotated[ProjectSession, Depends(request_session, scope="function")]


async def in_session(project_id: str, query: Callable[[ProjectSession], T]) -> T:
    """A short query off the event loop, for routes that wait and hold no connection meanwhile."""

    def run() -> T:
        with ProjectSession(project_id) as session:
            return query(session)

    return await to_thread.run_sync(run)


async def notifications(request: Request) -> Notifications:
    found: Notifications = request.app.state.notifications
    return found


async def replies(request: Request) -> Replies:
    found: Replies = request.app.state.replies
    return found


RepliesDep = Annotated[Replies, Depends(replies)]
NotificationsDep = Annotated[Notifications, Depends(notifications)]


async def json_body(request: Request) -> Any:
    """The body, parsed within limits; an empty one is None."""
    return parse(await request.body())


JsonBody = Annotated[Any, Depends(json_body)]


def reply(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON reply, rendered by orjson."""
    return Response(render(value), status, headers, media_type="application/json")


def without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("contains the character U+0000")
    return text


Text = Annotated[str, AfterValidator(without_nul)]
After = Annotated[Text | None, Query(max_length=64, description="The id of the last one seen")]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT)]
Wait = Annotated[float, Query(ge=0, le=60, description="Seconds to hold the answer until there is news")]

PUBLIC_ID = re.compile(r"[a-z]{2,4}_[0-9a-z]{26}")


def known_shape(public_id: str) -> str:
    """What cannot be an id is not looked up. Raises NotFound."""
    if PUBLIC_ID.fullmatch(public_id) is None:
        raise NotFound("There is nothing of this id.")
    return public_id


async def job_id(job_id: Annotated[str, Path(examples=["job_01k0a8m3x5v7w9y1z3b5d7f9h1"])]) -> str:
    return known_shape(job_id)


JobId = Annotated[str, Depends(job_id)]
