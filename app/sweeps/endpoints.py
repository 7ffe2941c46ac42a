"""Sweeps over HTTP."""

from functools import partial
from typing import Annotated, Literal

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Header, Path, Query, Response

from app.dependencies import (
    After,
    CurrentProject,
    JsonBody,
    Limit,
    SessionDep,
    Text,
    allow,
    known_shape,
    reply,
)
from app.jobs.schemas import Order
from app.openapi import errors, json_body
from app.sweeps import service, submission
from app.sweeps.examples import NEW_SWEEP
from app.sweeps.schemas import Sweep, SweepDryRun, SweepList, Table
from app.sweeps.table import as_csv, table

router = APIRouter(prefix="/v1/sweeps", tags=["sweeps"])
READ = [Depends(allow("read"))]
WRITE = [Depends(allow("write"))]

# Thousands of points take seconds: two at a time, so that the others are answered meanwhile.
submits = CapacityLimiter(2)


async def sweep_id(sweep_id: Annotated[str, Path(examples=["swp_01k0a8m3x5v7w9y1z3b5d7f9h1"])]) -> str:
    return known_shape(sweep_id)


SweepId = Annotated[str, Depends(sweep_id)]
Pointers = Annotated[list[Text] | None, Query(max_length=20, description="JSON pointer into the spec; may repeat")]


@router.post(
    "",
    status_code=201,
    dependencies=WRITE,
    responses={
        200: {"model": SweepDryRun, "description": "What points there would be (dry_run)"},
        201: {"model": Sweep, "description": "All its jobs are in the queue"},
        **errors(409, 413, 429),
    },
    openapi_extra=json_body({"$ref": "#/components/schemas/NewSweep"}, NEW_SWEEP),
)
async def submit_sweep(
    project: CurrentProject,
    document: JsonBody,
    dry_run: bool = False,
    idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
) -> Response:
    """Queue one job for each point, or with `dry_run` only count and check the points."""
    if dry_run:
        return reply(await to_thread.run_sync(submission.dry_run, project, document, limiter=submits))
    submit = partial(submission.submit, project, document, idempotency_key)
    status, body, replayed = await to_thread.run_sync(submit, limiter=submits)
    headers = {"idempotent-replayed": "true"} if replayed else {}
    return Response(body, status, headers, media_type="application/json")


@router.get("", dependencies=READ, responses={200: {"model": SweepList}, **errors()})
def list_sweeps(session: SessionDep, after: After = None, limit: Limit = 20, order: Order = "desc") -> Response:
    """Sweeps without their specs and points, the newest first."""
    return reply(service.listing(session, after=after, limit=limit, newest_first=order == "desc"))


@router.get("/{sweep_id}", dependencies=READ, responses={200: {"model": Sweep}, **errors()})
def show_sweep(sweep_id: SweepId, session: SessionDep) -> Response:
    """The sweep with its points, in the order in which they were made: the first key of `over` varies slowest."""
    return reply(service.show(session, sweep_id))


@router.post(
    "/{sweep_id}/cancel",
    status_code=202,
    dependencies=WRITE,
    responses={
        200: {"model": Sweep, "description": "It is cancelled already"},
        202: {"model": Sweep, "description": "Its points are cancelled, running ones at their next step"},
        **errors(409),
    },
)
def cancel_sweep(sweep_id: SweepId, session: SessionDep) -> Response:
    """Cancel every point that has not ended."""
    moved = service.cancel(session, sweep_id)
    return reply(service.show(session, sweep_id), 202 if moved else 200)


@router.get(
    "/{sweep_id}/table",
    dependencies=READ,
    responses={
        200: {"model": Table, "content": {"text/csv": {"schema": {"type": "string"}}}},
        **errors(),
    },
)
def show_table(
    sweep_id: SweepId,
    session: SessionDep,
    by: Pointers = None,
    over: Pointers = None,
    target: Annotated[float | None, Query(allow_inf_nan=False, description="Of the objective")] = None,
    format: Literal["json", "csv"] = "json",
) -> Response:
    """The objective for each value `by`, with what is pooled `over`: mean, 95% interval, paired differences."""
    found = table(session, sweep_id, by or (), over or (), target)
    if format == "csv":
        return Response(as_csv(found), media_type="text/csv; charset=utf-8")
    return reply(found)
