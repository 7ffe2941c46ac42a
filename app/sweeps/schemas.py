"""The body of a sweep, and the shapes of replies for the OpenAPI document."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from app.jobs.schemas import Body, Reply, Status

Count = Annotated[int, Field(ge=1, le=10_000)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Mode = Literal["min", "max"]


class Grid(Body):
    """Every combination."""

    type: Literal["grid"] = "grid"


class Random(Body):
    """`trials` points, each key drawn for itself; fewer trials of the same seed are the first ones of more."""

    type: Literal["random"] = "random"
    trials: Count
    seed: Seed = 0


class Asha(Body):
    """Random points, of which the worse ones are stopped at the epochs min_epochs * reduction_factor ** k."""

    type: Literal["asha"] = "asha"
    trials: Count
    seed: Seed = 0
    min_epochs: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    reduction_factor: Annotated[int, Field(ge=2, le=1000)] = 3


Search = Grid | Random | Asha
SEARCHES: dict[str, type[Grid] | type[Random] | type[Asha]] = {"grid": Grid, "random": Random, "asha": Asha}


SEARCH_SCHEMA: dict[str, Any] = {
    "anyOf": [{"const": "grid"}, *(kind.model_json_schema() for kind in SEARCHES.values())],
    "default": "grid",
}


class Objective(Body):
    """`monitor` left out: validation_loss where there is a validation part, else train_loss."""

    monitor: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    mode: Mode = "min"


class NewSweep(Body):
    """`search` is read by its `type`: "grid" alone, or an object."""

    spec: dict[str, Any]
    over: Annotated[dict[str, Any], Field(min_length=1, max_length=100)]
    zip: Annotated[list[Annotated[list[str], Field(max_length=100)]], Field(max_length=100)] = []
    search: Annotated[Any, WithJsonSchema(SEARCH_SCHEMA)] = "grid"
    objective: Objective = Objective()
    max_parallel: Count | None = None


class PointBest(Reply):
    value: float
    epoch: int


class SweepPoint(Reply):
    job_id: str
    point: dict[str, Any]
    status: Status
    best: PointBest | None


class SweepBest(Reply):
    job_id: str
    point: dict[str, Any]
    value: float
    epoch: int


class SweepSummary(Reply):
    id: str
    object: Literal["sweep"]
    name: str | None
    status: Literal["running", "succeeded", "failed", "cancelled"]
    counts: dict[str, int]
    best: SweepBest | None
    search: dict[str, Any]
    objective: dict[str, Any]
    max_parallel: int | None
    created_at: datetime
    finished_at: datetime | None


class Sweep(SweepSummary):
    spec: dict[str, Any]
    over: dict[str, Any]
    points: list[SweepPoint]


class SweepList(Reply):
    object: Literal["list"]
    data: list[SweepSummary]
    first_id: str | None
    last_id: str | None
    has_more: bool


class SweepDryRun(Reply):
    object: Literal["sweep_dry_run"]
    count: int
    points: list[dict[str, Any]]
    objective: dict[str, Any]
    warnings: list[dict[str, str]]


class Statistics(Reply):
    n: int
    mean: float | None
    deviation: float | None
    interval: tuple[float, float] | None


class TableRow(Statistics):
    value: Any
    target: dict[str, Any] | None


class Table(Reply):
    object: Literal["table"]
    sweep_id: str
    by: list[str]
    over: list[str]
    objective: dict[str, Any]
    target: float | None
    rows: list[TableRow]
    differences: list[dict[str, Any]]
