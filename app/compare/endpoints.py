"""Comparisons over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from app.compare import service
from app.compare.schemas import Comparison
from app.dependencies import SessionDep, Text, allow, known_shape, reply
from app.openapi import errors

router = APIRouter(tags=["rows"], dependencies=[Depends(allow("read"))])


@router.get("/v1/compare", responses={200: {"model": Comparison}, **errors()})
def compare_jobs(
    session: SessionDep,
    job_id: Annotated[list[Text], Query(min_length=1, max_length=100)],
    key: Annotated[
        list[Text] | None, Query(max_length=20, description="`train_loss`, a metric, `learning_rates.0`, …")
    ] = None,
    x: service.Axis = "epoch",
    max_points: Annotated[int, Query(ge=2, le=10_000)] = 500,
) -> Response:
    """The same series of up to 100 jobs, each thinned to `max_points`."""
    ids = [known_shape(one) for one in job_id]
    return reply(service.compare(session, ids, key or ["train_loss"], x, max_points))
