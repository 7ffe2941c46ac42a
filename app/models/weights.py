"""Weights that jobs start from: uploads, and the checkpoints that a job's spec names."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class Weights(Base):
    """A safetensors file among the blobs: an upload (`wts_…`), or a checkpoint (`ckpt_…`) that jobs start from.

    A checkpoint's file has two names then (a hard link): retention and its job's end take the other one.
    """

    __tablename__ = "weights"
    __table_args__ = (Index("weights_project_id_id_idx", "project_id", "id"), Index("weights_sha256_idx", "sha256"))

    id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    name: Mapped[str | None]
    job_id: Mapped[str | None]
    """Whose checkpoint it is; an upload has none. The job may be gone."""
    sha256: Mapped[str] = mapped_column(ForeignKey("blob.sha256"))
    bytes: Mapped[int]
    tensors: Mapped[dict[str, Any]]
    """{name: {"dtype", "shape"}}; a checkpoint's names without their `model.`"""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
