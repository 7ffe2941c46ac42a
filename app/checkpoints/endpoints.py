"""A job's checkpoints over HTTP."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Response
from fastapi.responses import StreamingResponse

from app import storage
from app.checkpoints import service
from app.checkpoints.schemas import Checkpoint, CheckpointList
from app.checkpoints.service import Download
from app.dependencies import After, JobId, Limit, SessionDep, allow, known_shape, reply
from app.jobs.schemas import Order
from app.openapi import errors

router = APIRouter(prefix="/v1/jobs/{job_id}/checkpoints", tags=["checkpoints"])
READ = [Depends(allow("read"))]
WRITE = [Depends(allow("write"))]


async def checkpoint_id(checkpoint_id: Annotated[str, Path(description="An id, `latest` or `best`")]) -> str:
    return checkpoint_id if checkpoint_id in ("latest", "best") else known_shape(checkpoint_id)


CheckpointId = Annotated[str, Depends(checkpoint_id)]
IfNoneMatch = Annotated[str | None, Header(max_length=1000)]
BYTES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A safetensors file",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
    304: {"description": "The client has it"},
    **errors(409),
}


@router.get("", dependencies=READ, responses={200: {"model": CheckpointList}, **errors()})
def list_checkpoints(
    job_id: JobId, session: SessionDep, after: After = None, limit: Limit = 20, order: Order = "desc"
) -> Response:
    """Checkpoints by age, the newest first."""
    return reply(service.listing(session, job_id, after=after, limit=limit, newest_first=order == "desc"))


@router.get("/{checkpoint_id}", dependencies=READ, responses={200: {"model": Checkpoint}, **errors()})
def show_checkpoint(job_id: JobId, checkpoint_id: CheckpointId, session: SessionDep) -> Response:
    return reply(service.show(session, job_id, checkpoint_id))


@router.get("/{checkpoint_id}/weights", dependencies=READ, response_class=Response, responses=BYTES)
def download_weights(
    job_id: JobId, checkpoint_id: CheckpointId, session: SessionDep, if_none_match: IfNoneMatch = None
) -> Response:
    """The model as safetensors, its names as `load_state_dict` wants them; the stored file's hash is checked first."""
    return send(service.weights(session, job_id, checkpoint_id), if_none_match)


@router.get("/{checkpoint_id}/state", dependencies=READ, response_class=Response, responses=BYTES)
def download_state(
    job_id: JobId, checkpoint_id: CheckpointId, session: SessionDep, if_none_match: IfNoneMatch = None
) -> Response:
    """The whole training state as it was written: model, optimizer, scheduler, generators."""
    return send(service.state(session, job_id, checkpoint_id), if_none_match)


@router.post("/{checkpoint_id}/pin", dependencies=WRITE, responses={200: {"model": Checkpoint}, **errors()})
def pin_checkpoint(job_id: JobId, checkpoint_id: CheckpointId, session: SessionDep) -> Response:
    """Keep this checkpoint, however many newer ones come."""
    return reply(service.pin(session, job_id, checkpoint_id, pinned=True))


@router.post("/{checkpoint_id}/unpin", dependencies=WRITE, responses={200: {"model": Checkpoint}, **errors(409)})
def unpin_checkpoint(job_id: JobId, checkpoint_id: CheckpointId, session: SessionDep) -> Response:
    """Let retention have it again."""
    return reply(service.pin(session, job_id, checkpoint_id, pinned=False))


@router.delete("/{checkpoint_id}", status_code=204, dependencies=WRITE, responses=errors(409))
def delete_checkpoint(job_id: JobId, checkpoint_id: CheckpointId, session: SessionDep) -> Response:
    """Remove a checkpoint that is neither pinned nor the job's latest or best."""
    service.remove(session, job_id, checkpoint_id)
    return Response(status_code=204)


def send(download: Download, if_none_match: str | None) -> Response:
    if if_none_match is not None and download.tag in if_none_match:
        return Response(status_code=304, headers={"etag": download.tag})
    headers = {
        "content-length": str(download.size),
        "content-disposition": f'attachment; filename="{download.filename}"',
        "etag": download.tag,
    }
    body = storage.stream(download.path, download.head, download.slices)
    return StreamingResponse(body, media_type="application/octet-stream", headers=headers)
