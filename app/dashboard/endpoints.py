"""The dashboard over HTTP: static files; whatever they show they ask of the REST API with the visitor's key."""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Response

from app.dashboard.files import POLICY, page_files
from app.errors import NotFound
from app.openapi import errors

router = APIRouter(tags=["dashboard"])
IfNoneMatch = Annotated[str | None, Header(max_length=1000)]


def content(*media_types: str) -> dict[int | str, dict[str, Any]]:
    bodies = {media_type: {"schema": {"type": "string"}} for media_type in media_types}
    return {200: {"description": "The file", "content": bodies}, 304: {"description": "The client has it"}}


@router.get("/", response_class=Response, responses={**content("text/html"), 422: errors()[422]})
async def show_dashboard(if_none_match: IfNoneMatch = None) -> Response:
    """The page: jobs and their curves, live. Its key stands in the fragment (`/#key=…`) and never reaches a server."""
    return send("index.html", if_none_match)


@router.get(
    "/dashboard/{name}",
    response_class=Response,
    responses={**content("text/css", "text/javascript", "text/html", "image/svg+xml"), **errors()},
)
async def show_dashboard_file(
    name: Annotated[str, Path(max_length=64, examples=["main.js"])], if_none_match: IfNoneMatch = None
) -> Response:
    """A style sheet or script of the page."""
    return send(name, if_none_match)


def send(name: str, if_none_match: str | None) -> Response:
    file = page_files().get(name)
    if file is None:
        raise NotFound("The dashboard has no such file.")
    headers = {"etag": file.tag, "cache-control": "no-cache", "content-security-policy": POLICY}
    if if_none_match is not None and file.tag in if_none_match:
        return Response(status_code=304, headers=headers)
    return Response(file.body, headers=headers, media_type=file.media_type)
