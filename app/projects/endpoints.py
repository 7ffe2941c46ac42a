"""Projects, keys, tokens and the audit trail over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response

from app.bodies import read_as
from app.dependencies import After, CurrentPrincipal, JsonBody, Limit, SessionDep, allow, known_shape, reply
from app.jobs.schemas import Order
from app.openapi import errors, json_body
from app.projects import administration, audit
from app.projects.schemas import (
    AuditList,
    Key,
    KeyList,
    NewKey,
    NewProject,
    NewToken,
    Project,
    ProjectChange,
    ProjectList,
    SecretKey,
    Token,
)

router = APIRouter(tags=["projects and keys"])
ADMIN = [Depends(allow("admin"))]
WRITE = [Depends(allow("write"))]
KEY_EXAMPLE = {"name": "ci", "projects": "*", "scopes": ["read", "write"], "expires_at": "2027-01-01T00:00:00Z"}
TOKEN_EXAMPLE = {"jobs": ["job_01k0a8m3x5v7w9y1z3b5d7f9h1"], "expires_in": 3600}


def body(name: str, example: dict[str, Any]) -> dict[str, Any]:
    return json_body({"$ref": f"#/components/schemas/{name}"}, example)


async def project_id(project_id: Annotated[str, Path(examples=["prj_01k0a8m3x5v7w9y1z3b5d7f9h1"])]) -> str:
    return known_shape(project_id)


async def key_id(key_id: Annotated[str, Path(examples=["key_01k0a8m3x5v7w9y1z3b5d7f9h1"])]) -> str:
    return known_shape(key_id)


ProjectId = Annotated[str, Depends(project_id)]
KeyId = Annotated[str, Depends(key_id)]


@router.get("/v1/projects", dependencies=[Depends(allow("read"))], responses={200: {"model": ProjectList}, **errors()})
def list_projects(session: SessionDep, caller: CurrentPrincipal, after: After = None, limit: Limit = 20) -> Response:
    """The key's projects."""
    return reply(administration.list_projects(session, caller, after=after, limit=limit))


@router.post(
    "/v1/projects",
    status_code=201,
    dependencies=ADMIN,
    responses={201: {"model": Project}, **errors(409)},
    openapi_extra=body("NewProject", {"name": "vision", "quotas": {"jobs": 20}}),
)
def create_project(session: SessionDep, caller: CurrentPrincipal, document: JsonBody) -> Response:
    """A new project; takes a key for all projects."""
    return reply(administration.create_project(session, caller, read_as(NewProject, document)), 201)


@router.get(
    "/v1/projects/{project_id}",
    dependencies=[Depends(allow("read"))],
    responses={200: {"model": Project}, **errors()},
)
def show_project(project_id: ProjectId, session: SessionDep, caller: CurrentPrincipal) -> Response:
    return reply(administration.project_document(administration.find_project(session, caller, project_id)))


@router.patch(
    "/v1/projects/{project_id}",
    dependencies=ADMIN,
    responses={200: {"model": Project}, **errors(409)},
    openapi_extra=body("ProjectChange", {"quotas": {"jobs": 50, "requests_per_minute": 600}}),
)
def change_project(
    project_id: ProjectId, session: SessionDep, caller: CurrentPrincipal, document: JsonBody
) -> Response:
    """New name, or quotas (all of them at once)."""
    wanted = read_as(ProjectChange, document)
    return reply(administration.change_project(session, caller, project_id, wanted))


@router.delete("/v1/projects/{project_id}", status_code=204, dependencies=ADMIN, responses=errors(409))
def delete_project(project_id: ProjectId, session: SessionDep, caller: CurrentPrincipal) -> Response:
    """Remove a project with its jobs, which must all have ended."""
    administration.remove_project(session, caller, project_id)
    return Response(status_code=204)


@router.get("/v1/keys", dependencies=ADMIN, responses={200: {"model": KeyList}, **errors()})
def list_keys(session: SessionDep, caller: CurrentPrincipal, after: After = None, limit: Limit = 20) -> Response:
    """Keys, without their secrets."""
    return reply(administration.list_keys(session, caller, after=after, limit=limit))


@router.post(
    "/v1/keys",
    status_code=201,
    dependencies=ADMIN,
    responses={201: {"model": SecretKey}, **errors()},
    openapi_extra=body("NewKey", KEY_EXAMPLE),
)
def create_key(session: SessionDep, caller: CurrentPrincipal, document: JsonBody) -> Response:
    """A new key; its secret stands in this answer only."""
    return reply(administration.create_key(session, caller, read_as(NewKey, document)), 201)


@router.get("/v1/keys/{key_id}", dependencies=ADMIN, responses={200: {"model": Key}, **errors()})
def show_key(key_id: KeyId, session: SessionDep, caller: CurrentPrincipal) -> Response:
    return reply(administration.key_document(administration.find_key(session, caller, key_id)))


@router.delete("/v1/keys/{key_id}", status_code=204, dependencies=ADMIN, responses=errors())
def revoke_key(key_id: KeyId, session: SessionDep, caller: CurrentPrincipal) -> Response:
    """The key opens nothing from now on."""
    administration.revoke_key(session, caller, key_id)
    return Response(status_code=204)


@router.post("/v1/keys/{key_id}/rotate", dependencies=ADMIN, responses={200: {"model": SecretKey}, **errors(409)})
def rotate_key(key_id: KeyId, session: SessionDep, caller: CurrentPrincipal) -> Response:
    """A new secret under the same id; the old one is dead at once."""
    return reply(administration.rotate_key(session, caller, key_id))


@router.post(
    "/v1/tokens",
    status_code=201,
    dependencies=WRITE,
    responses={201: {"model": Token}, **errors()},
    openapi_extra=body("NewToken", TOKEN_EXAMPLE),
)
def create_token(session: SessionDep, document: JsonBody) -> Response:
    """A token that reads some jobs, in a header or as `?token=` of a GET."""
    return reply(administration.create_token(session, read_as(NewToken, document)), 201)


@router.get("/v1/audit", dependencies=ADMIN, responses={200: {"model": AuditList}, **errors()})
def list_audit(session: SessionDep, after: After = None, limit: Limit = 20, order: Order = "desc") -> Response:
    """Who wrote what in this project."""
    return reply(audit.listing(session, after=after, limit=limit, newest_first=order == "desc"))
