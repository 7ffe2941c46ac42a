"""What all optimizers share: parameter groups, and the choices of implementation."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationError, model_validator

from app.jobs.spec.base import (
    Complaint,
    Component,
    NonNegative,
    Section,
    closest,
    refuse,
)
from app.jobs.spec.patterns import Pattern

MAX_GROUPS = 100
# How the step is computed, not what it computes: one choice for all groups.
IMPLEMENTATION = ("foreach", "fused", "capturable", "differentiable")


class Optimizer(Component):
    """What all optimizers share: parameter groups, each with some of the optimizer's own arguments."""

    lr: NonNegative
    groups: Annotated[list[dict[str, Any]], Field(max_length=MAX_GROUPS)] = []

    takes_groups: ClassVar[bool] = True
    takes_sparse_gradients: ClassVar[bool] = False

    @classmethod
    def group_keys(cls) -> list[str]:
        """The arguments that a parameter group may set for itself."""
        return [key for key in cls.model_fields if key not in ("type", "groups", *IMPLEMENTATION)]

    @classmethod
    def cycles_momentum(cls) -> bool:
        """Whether CyclicLR and OneCycleLR find a momentum or a first beta to cycle."""
        return "momentum" in cls.model_fields or "betas" in cls.model_fields

    def rules(self) -> Iterator[Complaint]:
        flags = {key: getattr(self, key, None) for key in IMPLEMENTATION}
        if flags["differentiable"]:
            yield Complaint(
                ("differentiable",),
                "must be false: it is for a step inside an autograd graph, and torch refuses it in a training loop",
            )
        if flags["fused"] and flags["foreach"]:
            yield Complaint(("foreach",), "cannot be true together with fused")

    @model_validator(mode="wrap")
    @classmethod
    def _read_groups(cls, value: Any, handler: Any) -> Any:
        """Each group's own values obey the same checks as the optimizer's (torch checks only its defaults)."""
        if not isinstance(value, dict) or not isinstance(value.get("groups"), list) or not value["groups"]:
            return handler(value)
        shared = {key: item for key, item in value.items() if key != "groups"}
        handler(shared)
        if not cls.takes_groups:
            raise refuse(cls.__name__, [Complaint(("groups",), f"{value['type']} takes no parameter groups")])
        groups = []
        for index, group in enumerate(value["groups"][: MAX_GROUPS + 1]):
            try:
                groups.append(cls._read_group(shared, group))
            except ValidationError as error:
                raise refuse(
                    cls.__name__,
                    [Complaint(("groups", index, *line["loc"]), line["msg"]) for line in error.errors()],
                ) from None
        return handler({**shared, "groups": groups})

    @classmethod
    def _read_group(cls, shared: dict[str, Any], group: Any) -> dict[str, Any]:
        if not isinstance(group, dict):
            raise refuse(cls.__name__, [Complaint((), "must be an object")])
        keys = cls.group_keys()
        complaints = [
            Complaint((key,), _unknown_group_key(key, keys)) for key in group if key not in keys and key != "params"
        ]
        if "params" not in group:
            complaints.append(Complaint(("params",), "is required: a pattern over the parameters' names"))
        else:
            try:
                _Selection.model_validate({"params": group["params"]})
            except ValidationError as error:
                complaints += [Complaint(line["loc"], line["msg"]) for line in error.errors()]
        if complaints:
            raise refuse(cls.__name__, complaints)
        own = {key: item for key, item in group.items() if key != "params"}
        try:
            read = cls.model_validate({**shared, **own})
        except ValidationError as error:
            # A rule may name a key that the group inherits: the group as a whole is the culprit then.
            lines = [(line["loc"] if line["loc"][0] in own else (), line["msg"]) for line in error.errors()]
            raise refuse(
                cls.__name__,
                [
                    Complaint(loc, message if loc else f"with the optimizer's defaults: {message}")
                    for loc, message in lines
                ],
            ) from None
        return {"params": group["params"], **{key: getattr(read, key) for key in own}}


class _Selection(Section):
    """The one key that a group has beside the optimizer's own."""

    params: Pattern


def _unknown_group_key(key: str, keys: list[str]) -> str:
    if key in IMPLEMENTATION:
        return "belongs to the optimizer as a whole, not to a group"
    return f"unknown key; {closest(key, ['params', *keys])}"
