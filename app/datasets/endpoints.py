"""Data sets over HTTP."""

from typing import Annotated, Literal

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect

from app.datasets import service
from app.datasets.schemas import EXAMPLE, FORM, Dataset, DatasetList
from app.dependencies import After, CurrentPrincipal, CurrentProject, Limit, SessionDep, Text, allow, known_shape, reply
from app.errors import InvalidPayload
from app.openapi import errors
from app.projects.administration import everywhere
from app.settings import get_settings
from app.uploads import receiving

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])
READ = [Depends(allow("read"))]
WRITE = [Depends(allow("write"))]
ADMIN = [Depends(allow("admin"))]

# Looking through an upload takes minutes at worst: it must not take the threads of those who only ask.
uploads = CapacityLimiter(8)


async def dataset_id(dataset_id: Annotated[str, Path(examples=[EXAMPLE["id"]])]) -> str:
    return known_shape(dataset_id)


DatasetId = Annotated[str, Depends(dataset_id)]


@router.post(
    "",
    status_code=201,
    dependencies=WRITE,
    responses={201: {"model": Dataset}, **errors(413)},
    openapi_extra=FORM,
)
async def upload_dataset(request: Request, project: CurrentProject) -> Response:
    """Store a data set: a file with its name, and where they cannot be guessed its format and label column."""
    settings = get_settings()
    content_type = request.headers.get("content-type", "")
    try:
        async with receiving(
            request.stream(),
            content_type,
            settings.store_path,
            files=service.FILES,
            fields=service.FIELDS,
            max_bytes=settings.upload_bytes,
        ) as upload:
            made = await to_thread.run_sync(service.create, project, upload, limiter=uploads)
    except ClientDisconnect:
        raise InvalidPayload("The upload was broken off.") from None
    return reply(made, 201)


@router.get("", dependencies=READ, responses={200: {"model": DatasetList}, **errors()})
def list_datasets(
    session: SessionDep,
    project: CurrentProject,
    after: After = None,
    limit: Limit = 20,
    order: Literal["asc", "desc"] = "desc",
    name: Annotated[Text | None, Query(max_length=100, description="The versions of one name")] = None,
) -> Response:
    """Data sets, the newest first."""
    newest_first = order == "desc"
    return reply(service.listing(session, project, name=name, after=after, limit=limit, newest_first=newest_first))


@router.get("/{dataset_id}", dependencies=READ, responses={200: {"model": Dataset}, **errors()})
def show_dataset(dataset_id: DatasetId, session: SessionDep, project: CurrentProject) -> Response:
    """One version of a data set, with what is known of its columns."""
    return reply(service.show(session, project, dataset_id))


@router.post(
    "/{dataset_id}/publish",
    dependencies=ADMIN,
    responses={200: {"model": Dataset}, **errors()},
)
def publish_dataset(
    dataset_id: DatasetId, session: SessionDep, project: CurrentProject, caller: CurrentPrincipal
) -> Response:
    """Let the jobs of all projects use it; takes a key for all projects."""
    everywhere(caller)
    return reply(service.publish(session, project, dataset_id, published=True))


@router.post(
    "/{dataset_id}/withdraw",
    dependencies=ADMIN,
    responses={200: {"model": Dataset}, **errors(409)},
)
def withdraw_dataset(
    dataset_id: DatasetId, session: SessionDep, project: CurrentProject, caller: CurrentPrincipal
) -> Response:
    """Its own project's again, once no job of another one needs it."""
    everywhere(caller)
    return reply(service.publish(session, project, dataset_id, published=False))


@router.delete("/{dataset_id}", status_code=204, dependencies=WRITE, responses=errors(409))
def delete_dataset(dataset_id: DatasetId, session: SessionDep, project: CurrentProject) -> Response:
    """Remove a data set that no job needs which has not ended."""
    removed = service.remove(session, project, dataset_id)
    return Response(status_code=204, background=BackgroundTask(service.release, removed))
