"""A job taken out again, over HTTP."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse

from app.checkpoints.endpoints import CheckpointId
from app.dependencies import JobId, SessionDep, allow, reply
from app.export import service
from app.export.schemas import Optimizer
from app.openapi import errors

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["export"], dependencies=[Depends(allow("read"))])
ZIP = "application/zip"
BINARY = {"schema": {"type": "string", "format": "binary"}}
SCRIPT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "train.py, or a zip of it and of the data beside it",
        "content": {"text/x-python": {"schema": {"type": "string"}}, ZIP: BINARY},
    },
    **errors(409),
}
BUNDLE: dict[int | str, dict[str, Any]] = {
    200: {"description": "A zip archive", "content": {ZIP: BINARY}},
    **errors(409),
}
Format = Annotated[
    Literal["auto", "py", "zip"],
    Query(description="auto: the script alone where it needs no file beside it, else a zip"),
]


@router.get("/export", response_class=Response, responses=SCRIPT)
def export_job(job_id: JobId, session: SessionDep, format: Format = "auto") -> Response:
    """The run as one plain PyTorch script that prints the job's rows, bit for bit on the same machine."""
    found = service.script(session, job_id)
    if format == "zip" or (format == "auto" and found.files):
        return attached(StreamingResponse(found.archive(), media_type=ZIP), f"{job_id}.zip")
    return attached(Response(found.text, media_type="text/x-python"), "train.py")


@router.get("/checkpoints/{checkpoint_id}/bundle", response_class=Response, responses=BUNDLE)
def download_bundle(job_id: JobId, checkpoint_id: CheckpointId, session: SessionDep) -> Response:
    """A zip that a product can use: weights, model.py (torch alone), fitted preprocessing, spec, rows."""
    name, body = service.bundle(session, job_id, checkpoint_id)
    return attached(StreamingResponse(body, media_type=ZIP), name)


@router.get("/checkpoints/{checkpoint_id}/optimizer", responses={200: {"model": Optimizer}, **errors(409)})
def show_optimizer(job_id: JobId, checkpoint_id: CheckpointId, session: SessionDep) -> Response:
    """Groups, settings and state figures of the optimizer, as they were when the checkpoint was written."""
    return reply(service.optimizer(session, job_id, checkpoint_id))


def attached(response: Response, name: str) -> Response:
    response.headers["content-disposition"] = f'attachment; filename="{name}"'
    return response
