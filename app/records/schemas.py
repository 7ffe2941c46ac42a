"""The shapes of a job's rows for the OpenAPI document."""

from datetime import datetime
from typing import Any, Literal

from app.jobs.schemas import Reply

Number = float | Literal["NaN", "Infinity", "-Infinity"]


class Epoch(Reply):
    seq: int
    epoch: int
    attempt: int
    phase: int
    train_loss: Number
    validation_loss: Number | None
    metrics: dict[str, Any]
    learning_rates: list[Number]
    gradient_norm: Number | None
    samples: int
    duration_seconds: float
    samples_per_second: Number
    finished_at: datetime


class Step(Reply):
    seq: int
    step: int
    epoch: int
    attempt: int
    train_loss: Number | None
    learning_rates: list[Number]
    gradient_norm: Number | None
    finished_at: datetime


class Event(Reply):
    seq: int
    type: str
    level: Literal["info", "warning", "error"]
    message: str
    data: dict[str, Any]
    attempt: int
    created_at: datetime


class Attempt(Reply):
    attempt: int
    object: Literal["attempt"]
    worker: str
    host: str
    device: str
    environment: dict[str, Any] | None
    started_at: datetime
    ended_at: datetime | None
    cause: str | None
    detail: str | None
    resumed_from: str | None
    steps_repeated: int | None
    verdict: dict[str, Any] | None


class EpochList(Reply):
    object: Literal["list"]
    data: list[Epoch]
    last_seq: int
    has_more: bool


class StepList(Reply):
    object: Literal["list"]
    data: list[Step]
    last_seq: int
    has_more: bool


class EventList(Reply):
    object: Literal["list"]
    data: list[Event]
    last_seq: int
    has_more: bool


class AttemptList(Reply):
    object: Literal["list"]
    data: list[Attempt]
    first_id: int | None
    last_id: int | None
    has_more: bool


class Log(Reply):
    object: Literal["log"]
    job_id: str
    attempt: int | None
    lines: list[str]
    truncated: bool
