"""A job and everything recorded about it. Each row of a job has a `seq` from the one counter in `job.last_seq`."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base

HOLDS_LEASE = "status IN ('running', 'pausing', 'cancelling')"


class Job(Base):
    __tablename__ = "job"
    __table_args__ = (
        CheckConstraint(f"({HOLDS_LEASE}) = (lease_until IS NOT NULL)", name="lease"),
        CheckConstraint(f"({HOLDS_LEASE}) = (worker_id IS NOT NULL)", name="worker"),
        Index(
            "job_queue_idx",
            "queue",
            text("priority DESC"),
            "available_at",
            "id",
            postgresql_where=text("status = 'queued'"),
        ),
        Index("job_lease_idx", "lease_until", postgresql_where=text(HOLDS_LEASE)),
        Index("job_project_id_id_idx", "project_id", "id"),
        Index("job_sweep_id_idx", "sweep_id", postgresql_where=text("sweep_id IS NOT NULL")),
        Index("job_project_id_changed_in_idx", "project_id", "changed_in"),
        Index("job_parent_checkpoint_id_idx", "parent_checkpoint_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    name: Mapped[str | None]
    tags: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB(), server_default=text("'{}'"))
    """The client's `metadata` (SQLAlchemy keeps that attribute for itself)."""
    spec: Mapped[dict[str, Any]]
    resolved_spec: Mapped[dict[str, Any]]
    spec_sha256: Mapped[str]
    seed: Mapped[int]
    priority: Mapped[int] = mapped_column(default=0)
    queue: Mapped[str]
    """The kind of device it waits for: cpu | cuda"""
    labels: Mapped[list[str]] = mapped_column(default=list)

    status: Mapped[str] = mapped_column(default="queued")
    activity: Mapped[str | None]
    version: Mapped[int] = mapped_column(default=1)
    last_seq: Mapped[int] = mapped_column(default=0)
    attempt: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0)
    """Attempts lost in a row without progress."""
    worker_id: Mapped[str | None]
    device: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    progress_at: Mapped[datetime | None]
    """When the trainer last finished a step, by its supervisor's word."""
    available_at: Mapped[datetime] = mapped_column(server_default=func.now())
    dispatched_at: Mapped[datetime | None]
    request: Mapped[str | None]
    """What the lease's holder is asked for: cancel (a sweep's end) | preempt | quota | requeue (other epochs)"""
    waiting: Mapped[dict[str, Any] | None]
    """Why it was put back, where the reason is not plain capacity: {"reason", "detail", "since"}"""

    epochs: Mapped[int]
    """How many are to be trained: the resolved spec's, until a PATCH changes it; the spec itself stays as it was."""
    progress: Mapped[dict[str, Any]]
    """{"epoch", "step", "steps", "phase"}: the newest report; epochs with a row are counted by the rows."""
    best: Mapped[dict[str, Any] | None]
    test: Mapped[dict[str, Any] | None]
    stopped: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    latest_checkpoint_id: Mapped[str | None]
    best_checkpoint_id: Mapped[str | None]
    work_seconds: Mapped[float] = mapped_column(default=0.0, server_default=text("0"))
    """A guess at how long the whole training takes: within a project's share the short ones go first."""
    reproduction: Mapped[dict[str, Any] | None]
    """Of a job that trains another one again: {"job_id", "verdict", "first_difference", "environment_differs"}"""
    parent_job_id: Mapped[str | None]
    parent_checkpoint_id: Mapped[str | None]
    sweep_id: Mapped[str | None]

    key_id: Mapped[str | None] = mapped_column(server_default=text("nullif(current_setting('descent.key', true), '')"))
    """By whose key it was submitted: the API's sessions say it to the database."""

    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    queued_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    changed_in: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    """The transaction that wrote the row last, set by a trigger: the feed's order."""


class Epoch(Base):
    """One row per (job, epoch), whatever was interrupted."""

    __tablename__ = "epoch"
    __table_args__ = (
        UniqueConstraint("job_id", "seq"),
        Index("epoch_project_id_changed_in_idx", "project_id", "changed_in"),
    )

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[str]
    seq: Mapped[int]
    attempt: Mapped[int]
    phase: Mapped[int]
    train_loss: Mapped[float]
    validation_loss: Mapped[float | None]
    metrics: Mapped[dict[str, Any]]
    learning_rates: Mapped[list[float]]
    gradient_norm: Mapped[float | None]
    samples: Mapped[int]
    duration_seconds: Mapped[float]
    samples_per_second: Mapped[float]
    extra: Mapped[dict[str, Any] | None]
    """What only some jobs have: parameters, gradients, ema_validation_loss, telemetry."""
    finished_at: Mapped[datetime] = mapped_column(server_default=func.now())
    changed_in: Mapped[int] = mapped_column(default=0, server_default=text("0"))


class Step(Base):
    """The step series: one row each `log_every_steps`."""

    __tablename__ = "step"
    __table_args__ = (UniqueConstraint("job_id", "seq"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[str]
    seq: Mapped[int]
    epoch: Mapped[int]
    attempt: Mapped[int]
    train_loss: Mapped[float | None]
    learning_rates: Mapped[list[float]]
    gradient_norm: Mapped[float | None]
    validation_loss: Mapped[float | None]
    finished_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Event(Base):
    __tablename__ = "event"
    __table_args__ = (Index("event_project_id_changed_in_idx", "project_id", "changed_in"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[str]
    type: Mapped[str]
    level: Mapped[str]
    message: Mapped[str]
    data: Mapped[dict[str, Any]]
    attempt: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    changed_in: Mapped[int] = mapped_column(default=0, server_default=text("0"))


class Attempt(Base):
    """One claim of a job by a worker, and how it ended."""

    __tablename__ = "attempt"
    __table_args__ = (Index("attempt_project_id_ended_at_idx", "project_id", "ended_at"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[str]
    worker_id: Mapped[str]
    host: Mapped[str]
    device: Mapped[str]
    devices: Mapped[int] = mapped_column(default=1, server_default=text("1"))
    """Of the spec's `resources.gpus`."""
    environment: Mapped[dict[str, Any] | None]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    cause: Mapped[str | None]
    """succeeded | failed | paused | cancelled | drained | preempted | quota | epochs_changed | disk_full | environment;
    of losses: trainer_died | worker_lost | hung | device_error"""
    detail: Mapped[str | None]
    resumed_from: Mapped[str | None]
    steps_repeated: Mapped[int | None]
    verdict: Mapped[dict[str, Any] | None]
    """{"bit_exact": bool, "epochs_compared", "first_difference"} once the repeated epochs are compared."""


class AttemptLog(Base):
    """A piece of a trainer's stderr, in order; at most 1 MiB an attempt."""

    __tablename__ = "attempt_log"

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    piece: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[str]
    text: Mapped[str]


class Checkpoint(Base):
    """Written when its file is whole, synced and under its final name."""

    __tablename__ = "checkpoint"
    __table_args__ = (
        UniqueConstraint("job_id", "seq"),
        Index("checkpoint_job_id_step_idx", "job_id", "step"),
        Index("checkpoint_project_id_changed_in_idx", "project_id", "changed_in"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"))
    project_id: Mapped[str]
    seq: Mapped[int]
    epoch: Mapped[int]
    step: Mapped[int]
    attempt: Mapped[int]
    path: Mapped[str]
    """Relative to the store."""
    bytes: Mapped[int]
    sha256: Mapped[str]
    values: Mapped[dict[str, Any]]
    reason: Mapped[str]
    pinned: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    changed_in: Mapped[int] = mapped_column(default=0, server_default=text("0"))
