"""Bodies and replies of projects, keys and tokens."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, ConfigDict, Field

from app.jobs.schemas import Body, Reply
from app.projects.principals import Scope

Name = Annotated[str, Field(min_length=1, max_length=100)]
Days = Annotated[int, Field(ge=1, le=36500)]
Limit = Annotated[int, Field(ge=0, lt=2**53)]


class Quotas(Body):
    jobs: Limit | None = None
    running_jobs: Limit | None = None
    device_seconds_per_day: Limit | None = None
    epochs: Limit | None = None
    parameters: Limit | None = None
    step_rows: Limit | None = None
    dataset_bytes: Limit | None = None
    storage_bytes: Limit | None = None
    requests_per_minute: Limit | None = None


class NewProject(Body):
    name: Name
    quotas: Quotas = Quotas()
    retention_days: Days | None = None


class ProjectChange(Body):
    """`quotas` replaces them all."""

    name: Name = Field(default_factory=str)
    quotas: Quotas = Field(default_factory=Quotas)
    retention_days: Days | None = None


class NewKey(Body):
    name: Name
    projects: Annotated[list[str], Field(min_length=1, max_length=100)] | Literal["*"]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=3)]
    expires_at: Annotated[AwareDatetime | None, Field(strict=False)] = None


class NewToken(Body):
    """For reading some jobs, or one sweep with its jobs, in links and charts."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["jobs"]}, {"required": ["sweep_id"]}]})

    jobs: Annotated[list[str], Field(min_length=1, max_length=100)] | None = None
    sweep_id: Annotated[str, Field(max_length=64)] | None = None
    expires_in: Annotated[int, Field(ge=1, le=7 * 86400, description="Seconds")] = 86400


class Project(Reply):
    id: str
    object: Literal["project"]
    name: str
    quotas: dict[str, Any]
    retention_days: int | None
    created_at: datetime


class Key(Reply):
    id: str
    object: Literal["key"]
    name: str
    projects: list[str] | Literal["*"]
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class SecretKey(Key):
    secret: str


class Token(Reply):
    id: str
    object: Literal["token"]
    secret: str
    jobs: list[str]
    sweep_id: str | None
    expires_at: datetime


class AuditEntry(Reply):
    id: str
    object: Literal["audit"]
    key_id: str
    method: str
    path: str
    target: str | None
    request_id: str
    created_at: datetime


class ProjectList(Reply):
    object: Literal["list"]
    data: list[Project]
    first_id: str | None
    last_id: str | None
    has_more: bool


class KeyList(Reply):
    object: Literal["list"]
    data: list[Key]
    first_id: str | None
    last_id: str | None
    has_more: bool


class AuditList(Reply):
    object: Literal["list"]
    data: list[AuditEntry]
    first_id: str | None
    last_id: str | None
    has_more: bool
