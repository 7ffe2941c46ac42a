"""Projects, keys, workers, and what the service remembers of itself."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class Installation(Base):
    """One row: the id that database and store share."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("singleton", name="singleton"),)

    singleton: Mapped[bool] = mapped_column(primary_key=True, default=True)
    id: Mapped[str]
    store: Mapped[str | None]
    """The mark that the store's own file carries too; NULL until a process has met the store."""
    alert: Mapped[dict[str, Any] | None]
    """What an operator must look at: {"code", "detail", "since"}"""
    queue_paused_at: Mapped[datetime | None]
    """Since when no job is claimed, by an operator's word."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Project(Base):
    __tablename__ = "project"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    quotas: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    """Limits by name (`app/projects/quotas.py`); what is not named is not limited."""
    retention_days: Mapped[int | None]
    """Jobs that ended longer ago are deleted, but for those with a pinned checkpoint or an alias."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ApiKey(Base):
    """`dsk_<id>_<secret>`: the secret is kept as a SHA-256 only (it is random, so a slow hash adds nothing)."""

    __tablename__ = "api_key"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    secret_sha256: Mapped[str]
    projects: Mapped[list[str] | None]
    """Ids of the projects the key is for; NULL means all. The first one is where its jobs go."""
    scopes: Mapped[list[str]]
    jobs: Mapped[list[str] | None]
    """A token's: the only jobs it may read, and the sweep whose points they are."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class IdempotencyKey(Base):
    """The stored reply to a POST; `status_code` is NULL while the first request is in flight."""

    __tablename__ = "idempotency_key"

    project_id: Mapped[str] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    request_sha256: Mapped[str]
    status_code: Mapped[int | None]
    response: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Audit(Base):
    """Who wrote what: committed with the write itself, kept when its project is gone."""

    __tablename__ = "audit"
    __table_args__ = (Index("audit_project_id_id_idx", "project_id", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str]
    key_id: Mapped[str]
    method: Mapped[str]
    path: Mapped[str]
    target: Mapped[str | None]
    """What was made, where the path does not say it."""
    request_id: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Worker(Base):
    """One Celery worker process: a device group's slots, or the previews."""

    __tablename__ = "worker"

    id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    pid: Mapped[int]
    queue: Mapped[str]
    """cpu | cuda | previews"""
    device: Mapped[str]
    slots: Mapped[int]
    labels: Mapped[list[str]]
    state: Mapped[str] = mapped_column(default="active")
    """active | cordoned | draining | gone"""
    reason: Mapped[str | None]
    """Why it is cordoned, where it did so itself."""
    environment: Mapped[dict[str, Any] | None]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    heartbeat_at: Mapped[datetime] = mapped_column(server_default=func.now())
