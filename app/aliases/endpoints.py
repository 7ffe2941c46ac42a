"""Aliases over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Response
from fastapi.responses import StreamingResponse

from app.aliases import service
from app.aliases.schemas import Alias, AliasList, NewAlias
from app.bodies import read_as
from app.dependencies import After, JsonBody, Limit, SessionDep, allow, reply
from app.export.endpoints import BUNDLE, ZIP, attached
from app.export.service import bundle
from app.openapi import errors, json_body

router = APIRouter(prefix="/v1/aliases", tags=["aliases"])
READ = [Depends(allow("read"))]
WRITE = [Depends(allow("write"))]
Name = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,99}$", examples=["fraud-production"])]
Tag = Annotated[str | None, Header(max_length=1000)]
BODY = json_body(
    {"$ref": "#/components/schemas/NewAlias"}, {"checkpoint": "best", "job_id": "job_01k0a8m3x5v7w9y1z3b5d7f9h1"}
)


@router.get("", dependencies=READ, responses={200: {"model": AliasList}, **errors()})
def list_aliases(session: SessionDep, after: After = None, limit: Limit = 20) -> Response:
    """Names on checkpoints, in the order of the alphabet."""
    return reply(service.listing(session, after=after, limit=limit))


@router.get("/{name}", dependencies=READ, responses={200: {"model": Alias}, **errors()})
def show_alias(name: Name, session: SessionDep) -> Response:
    """What the name stands for, and what it has stood for."""
    document, tag = service.show(session, name)
    return reply(document, headers={"etag": tag})


@router.get("/{name}/bundle", dependencies=READ, response_class=Response, responses=BUNDLE)
def download_alias_bundle(name: Name, session: SessionDep) -> Response:
    """A zip that a product can use, of the checkpoint that the name stands for now."""
    alias, _ = service.show(session, name)
    filename, body = bundle(session, alias["job_id"], alias["checkpoint"])
    return attached(StreamingResponse(body, media_type=ZIP), filename)


@router.put(
    "/{name}",
    dependencies=WRITE,
    responses={
        200: {"model": Alias, "description": "The name stands for the checkpoint"},
        201: {"model": Alias, "description": "A new name"},
        **errors(412),
    },
    openapi_extra=BODY,
)
def put_alias(
    name: Name, session: SessionDep, body: JsonBody, if_match: Tag = None, if_none_match: Tag = None
) -> Response:
    """Let the name stand for a checkpoint, which is pinned by it; `If-Match` moves only what the client has seen."""
    document, tag, new = service.put(session, name, read_as(NewAlias, body), if_match, if_none_match)
    return reply(document, 201 if new else 200, {"etag": tag})


@router.delete("/{name}", status_code=204, dependencies=WRITE, responses=errors(412))
def delete_alias(name: Name, session: SessionDep, if_match: Tag = None) -> Response:
    """Take the name off. Its checkpoint stays, pinned, and its history is kept for a name that comes again."""
    service.remove(session, name, if_match)
    return Response(status_code=204)
