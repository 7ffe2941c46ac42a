"""A sweep: one spec with values to try. Its points are jobs; what they do is read from the jobs."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class Sweep(Base):
    __tablename__ = "sweep"
    __table_args__ = (
        Index("sweep_project_id_id_idx", "project_id", "id"),
        Index("sweep_steered_idx", "id", postgresql_where=text("steered AND settled_at IS NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    name: Mapped[str | None]
    document: Mapped[dict[str, Any]]
    """As it was sent."""
    search: Mapped[dict[str, Any]]
    objective: Mapped[dict[str, Any]]
    """{"monitor", "mode"}, filled in"""
    max_parallel: Mapped[int | None]
    steered: Mapped[bool]
    """Whether points are held back or stopped while it runs: `max_parallel` or ASHA."""
    settled_at: Mapped[datetime | None]
    """When the steward found that all points have ended."""
    cancelled_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SweepPoint(Base):
    """Which values a job has: {pointer: value}, in the order of `over`."""

    __tablename__ = "sweep_point"
    __table_args__ = (Index("sweep_point_sweep_id_number_idx", "sweep_id", "number", unique=True),)

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    sweep_id: Mapped[str] = mapped_column(ForeignKey("sweep.id", ondelete="CASCADE"))
    project_id: Mapped[str]
    number: Mapped[int]
    point: Mapped[dict[str, Any]]


class SweepRung(Base):
    """ASHA: what a point had achieved when it reached a rung, and whether it went on."""

    __tablename__ = "sweep_rung"
    __table_args__ = (Index("sweep_rung_sweep_id_epoch_idx", "sweep_id", "epoch"),)

    job_id: Mapped[str] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    sweep_id: Mapped[str] = mapped_column(ForeignKey("sweep.id", ondelete="CASCADE"))
    project_id: Mapped[str]
    value: Mapped[float]
    """The best of the objective up to this epoch; NaN where there is none."""
    place: Mapped[int]
    """Among `reached` points that had come this far by then, from 1."""
    reached: Mapped[int]
    goes_on: Mapped[bool]
    decided_at: Mapped[datetime] = mapped_column(server_default=func.now())
