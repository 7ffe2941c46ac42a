"""The shapes of operating replies for the OpenAPI document."""

from datetime import datetime
from typing import Any, Literal

from app.jobs.schemas import Reply


class Health(Reply):
    status: Literal["ok"]


class Part(Reply):
    ok: bool
    detail: str


class Readiness(Reply):
    status: Literal["ready", "not_ready"]
    parts: dict[str, Part]


class ProjectName(Reply):
    id: str
    name: str


class Me(Reply):
    object: Literal["key"]
    id: str
    name: str
    scopes: list[str]
    projects: list[ProjectName]
    default_project: str | None
    expires_at: datetime | None
    quotas: dict[str, Any]


class Worker(Reply):
    id: str
    object: Literal["worker"]
    host: str
    queue: str
    device: str
    slots: int
    labels: list[str]
    state: str
    jobs: list[str]


class WorkerList(Reply):
    object: Literal["list"]
    data: list[Worker]
    first_id: str | None
    last_id: str | None
    has_more: bool


class Component(Reply):
    type: str
    description: str


class Catalog(Reply):
    object: Literal["catalog"]
    optimizers: list[Component]
    schedulers: list[Component]
    models: list[Component]
    layers: list[Component]
    losses: list[Component]
    metrics: list[Component]
    preprocessors: list[Component]


class Queue(Reply):
    queue: str
    queued: int
    running: int
    slots: int
    oldest_queued_at: datetime | None
    reason: str | None


class QueueList(Reply):
    object: Literal["list"]
    data: list[Queue]
    paused_at: datetime | None
    first_id: str | None
    last_id: str | None
    has_more: bool
