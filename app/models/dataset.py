"""Uploaded data sets, and the files that they and other uploads share."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class Blob(Base):
    """A stored file, once for each content. What refers to it by foreign key keeps it; nobody else counts."""

    __tablename__ = "blob"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    bytes: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Dataset(Base):
    """One version of a data set. Without a project it is a built-in one that the operator installed for all."""

    __tablename__ = "dataset"
    __table_args__ = (
        UniqueConstraint("project_id", "name", "version"),
        CheckConstraint("(project_id IS NULL) = (part IS NOT NULL)", name="part"),
        Index("dataset_published_idx", "name", "version", postgresql_where=text("published_at IS NOT NULL")),
        Index("dataset_installed_idx", "name", "part", unique=True, postgresql_where=text("project_id IS NULL")),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    project_id: Mapped[str | None] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    name: Mapped[str]
    version: Mapped[int]
    part: Mapped[str | None]
    """train | test, of an installed set"""
    format: Mapped[str]
    sha256: Mapped[str]
    """Of its content: the file's own, or that of the list of its files' hashes."""
    bytes: Mapped[int]
    samples: Mapped[int]
    description: Mapped[dict[str, Any]]
    """What `app.datasets.describe` found, the columns with their types and ranges among it."""
    published_at: Mapped[datetime | None]
    """Since when all projects may read it."""
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DatasetName(Base):
    """How many uploads of a name there have been: the number of a deleted one is not given again."""

    __tablename__ = "dataset_name"

    project_id: Mapped[str] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    versions: Mapped[int]


class DatasetFile(Base):
    __tablename__ = "dataset_file"
    __table_args__ = (Index("dataset_file_sha256_idx", "sha256"),)

    dataset_id: Mapped[str] = mapped_column(ForeignKey("dataset.id", ondelete="CASCADE"), primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    """The multipart field it came in: file, or images and labels"""
    project_id: Mapped[str | None]
    sha256: Mapped[str] = mapped_column(ForeignKey("blob.sha256"))
