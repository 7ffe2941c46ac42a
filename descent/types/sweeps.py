"""Sweeps, and previews of schedules and trajectories."""

from typing import Any, Literal, TypedDict

from descent.types.lists import PointedError, Status


class SweepPoint(TypedDict):
    """The job of one point; `point` is its values by JSON pointer."""

    job_id: str
    point: dict[str, Any]
    status: Status
    best: dict[str, Any] | None


class SweepSummary(TypedDict):
    id: str
    object: Literal["sweep"]
    name: str | None
    status: Literal["running", "succeeded", "failed", "cancelled"]
    counts: dict[str, int]
    best: dict[str, Any] | None
    search: dict[str, Any]
    objective: dict[str, Any]
    max_parallel: int | None
    created_at: str
    finished_at: str | None


class Sweep(SweepSummary):
    spec: dict[str, Any]
    over: dict[str, Any]
    points: list[SweepPoint]


class SweepDryRun(TypedDict):
    count: int
    points: list[dict[str, Any]]
    objective: dict[str, Any]
    warnings: list[PointedError]


class SweepTable(TypedDict):
    """A row for each value: n, mean, deviation, 95% interval; differences are paired by equal seed."""

    sweep_id: str
    by: list[str]
    over: list[str]
    objective: dict[str, Any]
    target: float | None
    rows: list[dict[str, Any]]
    differences: list[dict[str, Any]]


class ScheduleGroup(TypedDict):
    index: int
    lr: list[float]
    momentum: list[float | None] | None


class SchedulePreview(TypedDict):
    """`points` are epochs, or the steps of a schedule by step, from 0."""

    points: list[int]
    groups: list[ScheduleGroup]


class TrajectoryPoint(TypedDict):
    step: int
    parameters: dict[str, float]
    gradients: dict[str, float]
    loss: float
