"""The shape of a comparison for the OpenAPI document."""

from typing import Any, Literal

from app.jobs.schemas import Reply


class Series(Reply):
    job_id: str
    name: str | None
    key: str
    x: list[Any]
    y: list[Any]


class Comparison(Reply):
    object: Literal["list"]
    x: Literal["epoch", "step", "samples", "seconds"]
    data: list[Series]
    has_more: bool
