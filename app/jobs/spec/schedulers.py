"""torch.optim.lr_scheduler as data, with WarmupCosine beside it; lambdas are formulas of `epoch`."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from app.formulas import MAX_LENGTH, FormulaError, parse
from app.jobs.spec.base import (
    MAX_LIST,
    Boolean,
    Complaint,
    Component,
    Count,
    Index,
    NonNegative,
    Number,
    PerGroup,
    Positive,
    Probability,
    Table,
    shape_of,
)
from app.jobs.spec.monitors import Monitor

SCHEDULERS = Table("scheduler")

Factor = Annotated[Number, Field(ge=0, le=1)]


def _check_lambda(text: str) -> str:
    try:
        parse(text, ("epoch",))
    except FormulaError as error:
        raise PydanticCustomError("formula", "{detail}", {"detail": str(error)}) from None
    return text


Lambda = Annotated[str, Field(max_length=MAX_LENGTH), AfterValidator(_check_lambda)]
Lambdas = Annotated[
    Annotated[Lambda, Tag("one")] | Annotated[list[Lambda], Field(min_length=1, max_length=100), Tag("list")],
    Discriminator(shape_of),
]


class Scheduler(Component):
    """What all share: `interval` says whether one step of the schedule is an epoch or an update."""

    interval: Literal["epoch", "step"] = "epoch"

    per_group: ClassVar[tuple[str, ...]] = ()  # arguments that may be a list with one value for each group


class LambdaLR(Scheduler):
    type: Literal["LambdaLR"] = "LambdaLR"
    lr_lambda: Lambdas

    per_group = ("lr_lambda",)


class MultiplicativeLR(Scheduler):
    type: Literal["MultiplicativeLR"] = "MultiplicativeLR"
    lr_lambda: Lambdas

    per_group = ("lr_lambda",)


class StepLR(Scheduler):
    type: Literal["StepLR"] = "StepLR"
    step_size: Count
    gamma: NonNegative = 0.1


class MultiStepLR(Scheduler):
    type: Literal["MultiStepLR"] = "MultiStepLR"
    milestones: Annotated[list[Index], Field(max_length=MAX_LIST)]
    gamma: NonNegative = 0.1


class ConstantLR(Scheduler):
    type: Literal["ConstantLR"] = "ConstantLR"
    factor: Factor = 1.0 / 3
    total_iters: Index = 5


class LinearLR(Scheduler):
    type: Literal["LinearLR"] = "LinearLR"
    start_factor: Annotated[Number, Field(gt=0, le=1)] = 1.0 / 3
    end_factor: Factor = 1.0
    total_iters: Count = 5


class ExponentialLR(Scheduler):
    type: Literal["ExponentialLR"] = "ExponentialLR"
    gamma: NonNegative


class PolynomialLR(Scheduler):
    type: Literal["PolynomialLR"] = "PolynomialLR"
    total_iters: Count = 5
    power: NonNegative = 1.0


class CosineAnnealingLR(Scheduler):
    type: Literal["CosineAnnealingLR"] = "CosineAnnealingLR"
    T_max: Count
    eta_min: NonNegative = 0.0


class CosineAnnealingWarmRestarts(Scheduler):
    type: Literal["CosineAnnealingWarmRestarts"] = "CosineAnnealingWarmRestarts"
    T_0: Count
    T_mult: Count = 1
    eta_min: NonNegative = 0.0


class CyclicLR(Scheduler):
    type: Literal["CyclicLR"] = "CyclicLR"
    base_lr: PerGroup
    max_lr: PerGroup
    step_size_up: Count = 2000
    step_size_down: Count | None = None
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular"
    gamma: NonNegative = 1.0
    scale_mode: Literal["cycle", "iterations"] = "cycle"
    cycle_momentum: Boolean = True
    base_momentum: PerGroup = 0.8
    max_momentum: PerGroup = 0.9

    per_group = ("base_lr", "max_lr", "base_momentum", "max_momentum")

    def rules(self) -> Iterator[Complaint]:
        yield from _in_range(self, ("base_lr", "max_lr"), 0, None)
        yield from _in_range(self, ("base_momentum", "max_momentum"), 0, 1)


class OneCycleLR(Scheduler):
    type: Literal["OneCycleLR"] = "OneCycleLR"
    max_lr: PerGroup
    total_steps: Count | None = None
    epochs: Count | None = None
    steps_per_epoch: Count | None = None
    pct_start: Probability = 0.3
    anneal_strategy: Literal["cos", "linear"] = "cos"
    cycle_momentum: Boolean = True
    base_momentum: PerGroup = 0.85
    max_momentum: PerGroup = 0.95
    div_factor: Positive = 25.0
    final_div_factor: Positive = 1e4
    three_phase: Boolean = False

    per_group = ("max_lr", "base_momentum", "max_momentum")

    @property
    def total(self) -> int:
        """The number of steps after which torch raises."""
        return self.total_steps or (self.epochs or 0) * (self.steps_per_epoch or 0)

    def rules(self) -> Iterator[Complaint]:
        yield from _in_range(self, ("max_lr",), 0, None)
        yield from _in_range(self, ("base_momentum", "max_momentum"), 0, 1)
        if self.total == 0:
            yield Complaint(("total_steps",), "is required, or epochs and steps_per_epoch")
            return
        # torch divides by the length of each phase it enters.
        ends = [self.pct_start * self.total - 1, self.total - 1.0]
        if self.three_phase:
            ends.insert(1, 2 * self.pct_start * self.total - 2)
        start, first = 0.0, 0
        for end in ends:
            entered = end == ends[-1] or first <= end
            if entered and end == start:
                yield Complaint(
                    ("pct_start",), f"leaves a phase of no length over {self.total} steps: torch divides by it"
                )
                return
            first, start = max(first, int(end // 1) + 1), end


class ReduceLROnPlateau(Scheduler):
    type: Literal["ReduceLROnPlateau"] = "ReduceLROnPlateau"
    monitor: Monitor | None = None
    mode: Literal["min", "max"] = "min"
    factor: Annotated[Number, Field(ge=0, lt=1)] = 0.1
    patience: Index = 10
    threshold: NonNegative = 1e-4
    threshold_mode: Literal["rel", "abs"] = "rel"
    cooldown: Index = 0
    min_lr: PerGroup = 0.0
    eps: NonNegative = 1e-8

    per_group = ("min_lr",)

    def rules(self) -> Iterator[Complaint]:
        yield from _in_range(self, ("min_lr",), 0, None)
        if self.interval == "step":
            yield Complaint(("interval",), "must be epoch: a plateau is judged once an epoch")


class WarmupCosine(Scheduler):
    """`(epoch + 1) / warmup` while epoch < warmup, then a cosine down to `min_factor` at the end of job or phase."""

    type: Literal["WarmupCosine"] = "WarmupCosine"
    warmup: Index = 0
    min_factor: Factor = 0.0


class RangeTest(Scheduler):
    """The rate from `min_lr` to `max_lr`, geometrically over all steps; divergence ends the job as succeeded."""

    type: Literal["RangeTest"] = "RangeTest"
    interval: Literal["step"] = "step"
    min_lr: Positive
    max_lr: Positive

    def rules(self) -> Iterator[Complaint]:
        if self.max_lr <= self.min_lr:
            yield Complaint(("max_lr",), "must be above min_lr")


class Composition(Scheduler):
    schedulers: Annotated[list[Annotated[Scheduler, SCHEDULERS]], Field(min_length=1, max_length=100)]

    def rules(self) -> Iterator[Complaint]:
        for index, scheduler in enumerate(self.schedulers):
            where: tuple[Any, ...] = ("schedulers", index)
            if isinstance(scheduler, ReduceLROnPlateau | WarmupCosine | RangeTest):
                yield Complaint((*where, "type"), f"{scheduler.type} cannot stand inside {self.type}")
            if index and self.type == "SequentialLR" and isinstance(scheduler, Composition):
                yield Complaint((*where, "type"), f"torch cannot start a {scheduler.type} at a milestone")
            if "interval" in scheduler.model_fields_set:
                yield Complaint((*where, "interval"), "belongs to the outermost scheduler")


class ChainedScheduler(Composition):
    type: Literal["ChainedScheduler"] = "ChainedScheduler"


class SequentialLR(Composition):
    type: Literal["SequentialLR"] = "SequentialLR"
    milestones: Annotated[list[Count], Field(max_length=99)]

    def rules(self) -> Iterator[Complaint]:
        yield from super().rules()
        if len(self.milestones) != len(self.schedulers) - 1:
            yield Complaint(
                ("milestones",), f"{len(self.schedulers)} schedulers need {len(self.schedulers) - 1} milestones"
            )
        if sorted(set(self.milestones)) != self.milestones:
            yield Complaint(("milestones",), "must ascend")


def _in_range(scheduler: Scheduler, keys: tuple[str, ...], low: float, below: float | None) -> Iterator[Complaint]:
    for key in keys:
        given = getattr(scheduler, key)
        listed = isinstance(given, list)
        for index, value in enumerate(given if listed else [given]):
            path = (key, index) if listed else (key,)
            if value < low:
                yield Complaint(path, f"must be greater than or equal to {low}")
            elif below is not None and value >= below:
                yield Complaint(path, f"must be less than {below}")


SCHEDULERS.add(
    LambdaLR,
    MultiplicativeLR,
    StepLR,
    MultiStepLR,
    ConstantLR,
    LinearLR,
    ExponentialLR,
    PolynomialLR,
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    OneCycleLR,
    ReduceLROnPlateau,
    ChainedScheduler,
    SequentialLR,
    WarmupCosine,
    RangeTest,
)
