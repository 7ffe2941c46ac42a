"""The shape of the feed for the OpenAPI document."""

from typing import Literal

from app.jobs.schemas import Reply


class Entry(Reply):
    kind: str
    job_id: str
    cursor: str


class Feed(Reply):
    object: Literal["list"]
    data: list[Entry]
    cursor: str
    has_more: bool
