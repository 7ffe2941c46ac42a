"""A job's rows, and how they are told."""

from typing import Any, Literal, NotRequired, TypedDict


class EpochRow(TypedDict):
    seq: int
    epoch: int
    attempt: int
    phase: int
    train_loss: float
    validation_loss: float | None
    metrics: dict[str, Any]
    learning_rates: list[float]
    gradient_norm: float | None
    samples: int
    duration_seconds: float
    samples_per_second: float
    finished_at: str
    parameters: NotRequired[dict[str, float]]
    """Of a Function model, before the update; `gradients` likewise."""
    gradients: NotRequired[dict[str, float]]
    ema_validation_loss: NotRequired[float]
    telemetry: NotRequired[Any]


class StepRow(TypedDict):
    seq: int
    step: int
    epoch: int
    attempt: int
    train_loss: float | None
    learning_rates: list[float]
    gradient_norm: float | None
    validation_loss: NotRequired[float]
    finished_at: str


class Event(TypedDict):
    seq: int
    type: str
    level: Literal["info", "warning", "error"]
    message: str
    data: dict[str, Any]
    attempt: int
    created_at: str


class Attempt(TypedDict):
    """One claim of a job by a worker, and how it ended."""

    attempt: int
    worker: str | None
    host: str | None
    device: str | None
    environment: dict[str, Any] | None
    started_at: str | None
    ended_at: str | None
    cause: str | None
    detail: Any
    resumed_from: Any
    steps_repeated: int | None
    verdict: Any


class Log(TypedDict):
    """The last lines of an attempt's stderr."""

    job_id: str
    attempt: int | None
    lines: list[str]
    truncated: bool


class Checkpoint(TypedDict):
    id: str
    object: Literal["checkpoint"]
    job_id: str
    epoch: int
    step: int
    attempt: int
    bytes: int
    sha256: str
    values: dict[str, Any]
    is_latest: bool
    is_best: bool
    pinned: bool
    created_at: str


class Series(TypedDict):
    """One key of one job in a comparison: `x` and `y` are of equal length."""

    job_id: str
    name: str | None
    key: str
    x: list[Any]
    y: list[Any]
