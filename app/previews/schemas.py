"""The shapes of questions and answers for the OpenAPI document."""

from typing import Any

from app.jobs.schemas import Reply

COMPONENT = {"type": "object", "required": ["type"], "properties": {"type": {"type": "string"}}}
COUNT = {"type": "integer", "minimum": 1}
SCHEDULE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["optimizer", "epochs"],
    "properties": {
        "optimizer": COMPONENT,
        "scheduler": {"anyOf": [COMPONENT, {"type": "null"}]},
        "epochs": COUNT,
        "steps_per_epoch": COUNT,
    },
    "additionalProperties": False,
}
SCHEDULE_EXAMPLE: dict[str, Any] = {
    "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9},
    "scheduler": {"type": "StepLR", "step_size": 2, "gamma": 0.5},
    "epochs": 4,
    "steps_per_epoch": 10,
}
TRAJECTORY_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["model", "optimizer", "steps"],
    "properties": {"model": COMPONENT, "optimizer": COMPONENT, "steps": COUNT, "seed": {"type": "integer"}},
    "additionalProperties": False,
}
TRAJECTORY_EXAMPLE: dict[str, Any] = {
    "model": {"type": "Function", "expression": "4 * x ** 2", "initial": {"x": 2.0}},
    "optimizer": {"type": "SGD", "lr": 0.03},
    "steps": 20,
}


class ScheduleGroup(Reply):
    """The rate and the momentum (or first beta) in force at each point."""

    index: int
    lr: list[float]
    momentum: list[float | None] | None


class Schedule(Reply):
    """`points` are epochs, or the steps of a schedule by step, from 0."""

    points: list[int]
    groups: list[ScheduleGroup]


class TrajectoryPoint(Reply):
    """Before the update of this step; the last one is where it ends."""

    step: int
    parameters: dict[str, float | str]
    gradients: dict[str, float | str]
    loss: float | str
