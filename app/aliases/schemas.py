"""Bodies and replies of aliases."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from app.jobs.schemas import Body, Reply

EXAMPLE: dict[str, Any] = {
    "id": "fraud-production",
    "object": "alias",
    "name": "fraud-production",
    "checkpoint": "ckpt_01k0a8m3x5v7w9y1z3b5d7f9h1",
    "job_id": "job_01k0a8m3x5v7w9y1z3b5d7f9h1",
    "version": 2,
    "changed_at": "2026-11-21T12:00:00Z",
    "changed_by": "key_01k0a8m3x5v7w9y1z3b5d7f9h1",
}
MOVE: dict[str, Any] = {
    "version": 2,
    "job_id": EXAMPLE["job_id"],
    "moved_at": EXAMPLE["changed_at"],
    "moved_by": EXAMPLE["changed_by"],
    "checkpoint": EXAMPLE["checkpoint"],
}
DETAIL = {**EXAMPLE, "history": [MOVE]}


class NewAlias(Body):
    """The checkpoint by its id, or a job's `latest` or `best` of now."""

    checkpoint: Annotated[str, Field(min_length=1, max_length=64)]
    job_id: Annotated[str, Field(max_length=64)] | None = None


class AliasSummary(Reply):
    id: str
    object: Literal["alias"]
    name: str
    checkpoint: str
    job_id: str
    version: int
    changed_at: datetime
    changed_by: str | None


class Move(Reply):
    """`checkpoint` null: the name was taken off."""

    version: int
    job_id: str | None
    moved_at: datetime
    moved_by: str | None
    checkpoint: str | None


class Alias(AliasSummary):
    history: list[Move]


class AliasList(Reply):
    object: Literal["list"]
    data: list[AliasSummary]
    first_id: str | None
    last_id: str | None
    has_more: bool
