"""Projects, keys, the audit trail, webhooks."""

from typing import Any, Literal, TypedDict


class Project(TypedDict):
    id: str
    object: Literal["project"]
    name: str
    quotas: dict[str, Any]
    retention_days: int | None
    created_at: str


class Key(TypedDict):
    id: str
    object: Literal["key"]
    name: str
    projects: list[str] | Literal["*"]
    scopes: list[str]
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None


class SecretKey(Key):
    secret: str


class Token(TypedDict):
    id: str
    object: Literal["token"]
    secret: str
    jobs: list[str]
    sweep_id: str | None
    expires_at: str


class AuditEntry(TypedDict):
    id: str
    object: Literal["audit"]
    key_id: str
    method: str
    path: str
    target: str | None
    request_id: str
    created_at: str


class Webhook(TypedDict):
    id: str
    object: Literal["webhook"]
    name: str | None
    url: str
    events: list[str] | None
    enabled: bool
    disabled_reason: str | None
    failing_since: str | None
    created_at: str


class SecretWebhook(Webhook):
    secret: str


class WebhookDelivery(TypedDict):
    """One message to one webhook. `last_attempt`: at, status_code, error, response (its beginning), duration_ms."""

    id: str
    object: Literal["webhook_delivery"]
    webhook_id: str
    type: str
    subject: str
    status: str
    attempts: int
    next_attempt_at: str | None
    last_attempt: dict[str, Any] | None
    payload: dict[str, Any]
    created_at: str
    delivered_at: str | None
