"""What a feed and a stream tell."""

from typing import Any, NotRequired, TypedDict

from descent.types.jobs import Job
from descent.types.rows import Checkpoint, EpochRow, Event


class FeedEntry(TypedDict):
    """One change in the project; what changed stands under its kind."""

    kind: str
    job_id: str
    cursor: str
    job: NotRequired[Job]
    epoch: NotRequired[EpochRow]
    event: NotRequired[Event]
    checkpoint: NotRequired[Checkpoint]


class Feed(TypedDict):
    data: list[FeedEntry]
    cursor: str
    has_more: bool


class StreamEvent(TypedDict):
    """One server-sent event: `type` is epoch, step, status, event or checkpoint; a status has the id 0."""

    id: int
    type: str
    data: dict[str, Any]
