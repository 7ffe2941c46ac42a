"""Bodies and replies of webhooks."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from app.jobs.schemas import Body, Reply
from app.webhooks.addresses import Refused, check_url
from app.webhooks.signing import key_of

EventType = Literal[
    "job.queued",
    "job.running",
    "job.paused",
    "job.resumed",
    "job.interrupted",
    "job.succeeded",
    "job.failed",
    "job.cancelled",
    "checkpoint.created",
    "sweep.ended",
]
Events = Annotated[list[EventType], Field(min_length=1, max_length=10)]


def checked_url(url: str) -> str:
    try:
        check_url(url)
    except Refused as refused:
        raise ValueError(str(refused)) from None
    return url


def checked_secret(secret: str) -> str:
    key_of(secret)
    return secret


Url = Annotated[str, Field(max_length=2000), AfterValidator(checked_url)]
Secret = Annotated[str, Field(max_length=100), AfterValidator(checked_secret)]
Name = Annotated[str, Field(max_length=200)]


class NewWebhook(Body):
    """Without `events` it is told of everything; without `secret` it gets a new one."""

    url: Url
    events: Events | None = None
    name: Name | None = None
    secret: Secret | None = None


class WebhookChange(Body):
    """`enabled: true` also takes up one that was disabled for failing."""

    url: Url = Field(default_factory=str)
    events: Events | None = None
    name: Name | None = None
    secret: Secret = Field(default_factory=str)
    enabled: bool = Field(default_factory=lambda: True)


class Webhook(Reply):
    id: str
    object: Literal["webhook"]
    name: str | None
    url: str
    events: list[str] | None
    enabled: bool
    disabled_reason: str | None
    failing_since: datetime | None
    created_at: datetime


class SecretWebhook(Webhook):
    secret: str


class Delivery(Reply):
    id: str
    object: Literal["webhook_delivery"]
    webhook_id: str
    type: str
    subject: str
    status: str
    attempts: int
    next_attempt_at: datetime | None
    last_attempt: dict[str, Any] | None
    payload: dict[str, Any]
    created_at: datetime
    delivered_at: datetime | None


class WebhookList(Reply):
    object: Literal["list"]
    data: list[Webhook]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeliveryList(Reply):
    object: Literal["list"]
    data: list[Delivery]
    first_id: str | None
    last_id: str | None
    has_more: bool
