"""The shapes of exports for the OpenAPI document."""

from typing import Any, Literal

from app.jobs.schemas import Reply


class Optimizer(Reply):
    object: Literal["optimizer"]
    checkpoint: str
    type: str
    defaults: dict[str, Any]
    groups: list[dict[str, Any]]
    state: dict[str, dict[str, Any]]
