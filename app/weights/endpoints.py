"""Weights over HTTP."""

from typing import Annotated, Any, Literal

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Path, Request, Response
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect

from app import blobs
from app.dependencies import After, CurrentProject, Limit, SessionDep, allow, known_shape, reply
from app.errors import InvalidPayload
from app.openapi import errors
from app.settings import get_settings
from app.uploads import receiving
from app.weights import service
from app.weights.schemas import EXAMPLE, FORM, Weights, WeightsList

router = APIRouter(prefix="/v1/weights", tags=["weights"])
READ = [Depends(allow("read"))]
WRITE = [Depends(allow("write"))]
SHOWN: dict[str, Any] = {"model": Weights}

uploads = CapacityLimiter(8)


async def weights_id(weights_id: Annotated[str, Path(examples=[EXAMPLE["id"]])]) -> str:
    return known_shape(weights_id)


WeightsId = Annotated[str, Depends(weights_id)]


@router.post("", status_code=201, dependencies=WRITE, responses={201: SHOWN, **errors(413)}, openapi_extra=FORM)
async def upload_weights(request: Request, project: CurrentProject) -> Response:
    """Store a safetensors file that models may start from (`initial_weights`)."""
    settings = get_settings()
    content_type = request.headers.get("content-type", "")
    names = {"files": service.FILES, "fields": service.FIELDS}
    try:
        async with receiving(
            request.stream(), content_type, settings.store_path, **names, max_bytes=settings.upload_bytes
        ) as upload:
            made = await to_thread.run_sync(service.create, project, upload, limiter=uploads)
    except ClientDisconnect:
        raise InvalidPayload("The upload was broken off.") from None
    return reply(made, 201)


@router.get("", dependencies=READ, responses={200: {"model": WeightsList}, **errors()})
def list_weights(
    session: SessionDep,
    project: CurrentProject,
    after: After = None,
    limit: Limit = 20,
    order: Literal["asc", "desc"] = "desc",
) -> Response:
    """Uploaded weights, the newest first, without their tensors."""
    return reply(service.listing(session, project, after=after, limit=limit, newest_first=order == "desc"))


@router.get("/{weights_id}", dependencies=READ, responses={200: SHOWN, **errors()})
def show_weights(weights_id: WeightsId, session: SessionDep, project: CurrentProject) -> Response:
    """One upload with its tensors' names, types and shapes."""
    return reply(service.document(service.find(session, project, weights_id)))


@router.delete("/{weights_id}", status_code=204, dependencies=WRITE, responses=errors(409))
def delete_weights(weights_id: WeightsId, session: SessionDep, project: CurrentProject) -> Response:
    """Remove weights that no job needs which has not ended."""
    sha256 = service.remove(session, project, weights_id)
    return Response(status_code=204, background=BackgroundTask(blobs.release, get_settings().store_path, sha256))
