"""The shape of the feed for the OpenAPI document."""

from typing import Any, Literal

from app.jobs.examples import EPOCH
from app.jobs.schemas import Reply

JOB_ID = "job_01k0a8m3x5v7w9y1z3b5d7f9h1"
CURSOR = f"1041.{JOB_ID}.17"
EXAMPLE: dict[str, Any] = {
    "object": "list",
    "data": [{"kind": "epoch", "job_id": JOB_ID, "cursor": CURSOR, "epoch": EPOCH}],
    "cursor": CURSOR,
    "has_more": False,
}


class Entry(Reply):
    kind: str
    job_id: str
    cursor: str


class Feed(Reply):
    object: Literal["list"]
    data: list[Entry]
    cursor: str
    has_more: bool
