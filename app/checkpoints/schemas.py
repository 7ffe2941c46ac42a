"""The shapes of checkpoints for the OpenAPI document."""

from datetime import datetime
from typing import Any, Literal

from app.jobs.schemas import Reply


class Checkpoint(Reply):
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
    created_at: datetime


class CheckpointList(Reply):
    object: Literal["list"]
    data: list[Checkpoint]
    first_id: str | None
    last_id: str | None
    has_more: bool
