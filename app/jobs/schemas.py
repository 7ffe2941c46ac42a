"""Bodies of requests, and the shapes of replies for the OpenAPI document (replies are rendered without pydantic)."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Metadata = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=64)], Annotated[str, Field(max_length=512)]],
    Field(max_length=16),
]
Status = Literal["queued", "running", "pausing", "paused", "cancelling", "cancelled", "succeeded", "failed"]
Order = Literal["asc", "desc"]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Change(Body):
    """What can be changed of a job. `metadata` replaces the whole of it."""

    name: Annotated[str, Field(max_length=200)] | None = None
    metadata: Metadata = Field(default_factory=dict)  # a client generator sends a default that the document tells of
    priority: Annotated[int, Field(ge=0, le=9)] = Field(default_factory=int)
    epochs: Annotated[int, Field(ge=1, le=1_000_000)] = Field(default_factory=lambda: 1)
    """Of a queued, running, paused or succeeded job."""


class Resume(Body):
    checkpoint: Annotated[str, Field(max_length=64)] | None = None


class Fork(Body):
    """`checkpoint`: `latest`, `best` or an id. `spec`: a merge patch (RFC 7396) on the job's own."""

    checkpoint: Annotated[str, Field(min_length=1, max_length=64)] = "latest"
    spec: dict[str, Any] = {}


class Reply(BaseModel):
    """Unknown fields may appear: clients ignore them."""

    model_config = ConfigDict(extra="allow")


class Progress(Reply):
    epoch: int
    epochs: int
    step: int
    steps: int | None
    phase: int
    fraction: float
    eta_seconds: float | None


class Waiting(Reply):
    reason: str
    detail: str
    position: int | None
    since: datetime


class JobSummary(Reply):
    id: str
    object: Literal["job"]
    name: str | None
    status: str
    activity: str | None
    spec_sha256: str
    seed: int
    metadata: dict[str, str]
    priority: int
    progress: Progress
    latest: dict[str, Any] | None
    best: dict[str, Any] | None
    test: dict[str, Any] | None
    latest_checkpoint: str | None
    attempt: int
    worker: str | None
    device: str | None
    waiting: Waiting | None
    stopped: dict[str, Any] | None
    parent: dict[str, Any] | None
    sweep_id: str | None
    error: dict[str, Any] | None
    reproduction: dict[str, Any] | None = None
    created_at: datetime
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    version: int


class Job(JobSummary):
    spec: Annotated[dict[str, Any], Field(title="Submitted")]  # a generated client has its JobSpec already
    resolved_spec: dict[str, Any]


class JobList(Reply):
    object: Literal["list"]
    data: list[JobSummary]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DryRun(Reply):
    resolved_spec: dict[str, Any]
    model: dict[str, Any]
    groups: list[dict[str, Any]]
    warnings: list[dict[str, str]]
