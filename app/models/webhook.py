"""Webhooks, and the outbox of what they are told: rows that triggers write in the transaction of the news itself."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class Webhook(Base):
    __tablename__ = "webhook"
    __table_args__ = (Index("webhook_project_id_id_idx", "project_id", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    name: Mapped[str | None]
    url: Mapped[str]
    events: Mapped[list[str] | None]
    """What it is told of; NULL: everything."""
    secret: Mapped[str]
    """As it was given out: a signature needs the key itself, so no hash would do."""
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    disabled_reason: Mapped[str | None]
    failing_since: Mapped[datetime | None]
    """The first failure since the last success."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class WebhookDelivery(Base):
    """One message to one webhook, and what became of it."""

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        Index("webhook_delivery_webhook_id_id_idx", "webhook_id", "id"),
        Index("webhook_delivery_due_idx", "next_at", postgresql_where=text("status IN ('pending', 'held')")),
        Index("webhook_delivery_created_at_idx", "created_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, server_default=text("webhook_message_id()"))
    """Sent as `webhook-id`, the same at every attempt."""
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhook.id", ondelete="CASCADE"))
    project_id: Mapped[str]
    type: Mapped[str]
    subject: Mapped[str]
    """The job or the sweep that it tells of."""
    payload: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(server_default="pending")
    """held (a point of a sweep ended: has the sweep?) | pending | delivered | failed"""
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_at: Mapped[datetime] = mapped_column(server_default=func.now())
    claimed_until: Mapped[datetime | None]
    """Somebody is sending it; past this time that somebody is taken for dead."""
    attempted_at: Mapped[datetime | None]
    status_code: Mapped[int | None]
    error: Mapped[str | None]
    response: Mapped[str | None]
    """The beginning of the receiver's last answer."""
    duration_ms: Mapped[int | None]
    delivered_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
