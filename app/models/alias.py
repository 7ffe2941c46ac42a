"""Names on checkpoints, such as `fraud-production`, and everything that each has stood for."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class Alias(Base):
    """What a name stands for now. A removed one keeps its row without a checkpoint, so that versions only grow."""

    __tablename__ = "alias"
    __table_args__ = (Index("alias_checkpoint_id_idx", "checkpoint_id"),)

    project_id: Mapped[str] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int]
    checkpoint_id: Mapped[str | None] = mapped_column(ForeignKey("checkpoint.id"))
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    changed_by: Mapped[str | None]


class AliasMove(Base):
    """One entry of the history: kept when its checkpoint and job are gone."""

    __tablename__ = "alias_move"

    project_id: Mapped[str] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str | None]
    checkpoint_id: Mapped[str | None]
    """None: the name was taken off."""
    moved_at: Mapped[datetime] = mapped_column(server_default=func.now())
    moved_by: Mapped[str | None]
    """The key that asked."""
