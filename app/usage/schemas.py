"""The shape of usage."""

from datetime import datetime
from typing import Literal

from app.jobs.schemas import Reply


class Usage(Reply):
    object: Literal["usage"]
    project_id: str
    device_seconds: float
    attempts: int
    checkpoint_bytes: int


class UsageList(Reply):
    """`from` and `to` bound the device seconds; bytes are those stored now."""

    object: Literal["list"]
    by: Literal["project", "key", "job"]
    to: datetime
    data: list[Usage]
    first_id: str | None
    last_id: str | None
    has_more: bool
