"""Usage over HTTP."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime

from app.dependencies import After, CurrentPrincipal, Limit, SessionDep, allow, reply
from app.openapi import errors
from app.usage import service
from app.usage.schemas import UsageList

router = APIRouter(tags=["operating"])
Moment = AwareDatetime | None


@router.get("/v1/usage", dependencies=[Depends(allow("read"))], responses={200: {"model": UsageList}, **errors()})
def show_usage(
    session: SessionDep,
    caller: CurrentPrincipal,
    by: Literal["project", "key", "job"] = "project",
    since: Annotated[Moment, Query(alias="from", description="RFC 3339; left out, 30 days before `to`")] = None,
    until: Annotated[Moment, Query(alias="to", description="RFC 3339; left out, now")] = None,
    after: After = None,
    limit: Limit = 100,
) -> Response:
    """Device seconds between two moments, and bytes stored now, by project, key or job."""
    return reply(service.report(session, caller, by=by, since=since, until=until, after=after, limit=limit))
