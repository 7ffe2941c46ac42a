"""What decides how a script looks: the job's config, and what its data and model are like."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from worker.training.config import Config

from .code import block
from .losses import LossSource
from .metrics import MetricSource


@dataclass
class Outline:
    """`starts`: the lines that each phase begins with. `last_step`: the update after which the clock ended the job.

    `last_epoch`: the last with a row, of a job that did not come to its end.
    """

    config: Config
    loss: LossSource | None  # None: a Function
    metrics: MetricSource
    parts: tuple[str, ...] = ()
    lengths: bool = False
    weights: bool = False
    pixels: bool = False  # uint8 inputs
    sparse: bool = False
    looks_up: bool = False  # an embedding with a largest norm, and several processes that each shorten its rows
    last_step: int | None = None
    last_epoch: int | None = None
    rollbacks: int = 0
    starts: list[list[str]] = field(default_factory=list)

    @property
    def function(self) -> bool:
        return self.loss is None

    @property
    def cuda(self) -> bool:
        return self.config.device != "cpu"

    @property
    def several(self) -> bool:
        return len(self.config.phases) > 1

    @property
    def validation(self) -> bool:
        return "validation" in self.parts

    @property
    def test(self) -> bool:
        return "test" in self.parts and self.last_epoch is None

    @property
    def epochs(self) -> str:
        """Source of how many epochs are trained."""
        return "EPOCHS" if self.last_epoch is None else str(self.last_epoch)

    @property
    def goes_on(self) -> str:
        """Source of whether another epoch follows, where the training may go back: the last one may come twice."""
        if self.last_epoch is None:
            return "epoch < EPOCHS"
        return f"epoch < EPOCHS and (epoch < {self.last_epoch} or times < {self.rollbacks})"

    @property
    def is_last_step(self) -> str:
        """Source of whether the clock ended the job here."""
        return f"step == {self.last_step}" + (f" and times == {self.rollbacks}" if self.rollback else "")

    @property
    def keeps_best(self) -> bool:
        """Whether the test part is looked at with other weights than the last."""
        return self.test and self.config.checkpoint.keep_best is not None

    @property
    def mixes(self) -> bool:
        return any(step["type"] in ("MixUp", "CutMix") for step in self.config.augment)

    @property
    def bucket(self) -> bool:
        return bool(self.config.model.get("bucket"))

    @property
    def scaled(self) -> bool:
        return self.config.training.precision == "float16"

    @property
    def accumulates(self) -> bool:
        return self.config.training.accumulate_steps > 1 and not self.function

    @property
    def in_pieces(self) -> bool:
        """Whether several processes trained the job."""
        return self.config.gpus > 1

    @property
    def telemetry(self) -> bool:
        return "groups" in self.config.training.telemetry

    @cached_property
    def closure(self) -> bool:
        return any(phase.optimizer is not None and phase.optimizer["type"] == "LBFGS" for phase in self.config.phases)

    @property
    def schedulers(self) -> list[dict[str, Any]]:
        return [phase.scheduler for phase in self.config.phases if phase.scheduler is not None]

    @property
    def intervals(self) -> set[str]:
        return {scheduler.get("interval") or "epoch" for scheduler in self.schedulers}

    @property
    def range_test(self) -> bool:
        return bool(self.range_tests)

    @property
    def range_tests(self) -> list[int]:
        """The phases that are range tests: what their losses come to is their own affair."""
        phases = enumerate(self.config.phases)
        return [i for i, phase in phases if phase.scheduler is not None and phase.scheduler["type"] == "RangeTest"]

    def in_range_test(self, lines: list[str]) -> list[str]:
        """What is done only in the phases that are range tests."""
        if len(self.range_tests) == len(self.config.phases):
            return lines
        return [block(f"if phase in {self.range_tests}:", lines)]

    @property
    def rollback(self) -> dict[str, Any] | None:
        answer = self.config.training.on_divergence
        return answer if isinstance(answer, dict) and self.watches_divergence else None

    @property
    def watches_divergence(self) -> bool:
        everywhere = len(self.range_tests) == len(self.config.phases)
        return self.config.training.on_divergence != "continue" and not everywhere

    def finite(self, losses: str) -> str:
        """Source of whether a sum of losses is as it has to be."""
        finite = f"math.isfinite({losses})"
        return f"(phase in {self.range_tests} or {finite})" if self.range_test else finite

    @property
    def logged(self) -> list[int]:
        """After every so many updates a step row."""
        training = self.config.training
        return [every for every in (training.log_every_steps, training.validate_every_steps) if every]

    @property
    def counts_steps(self) -> bool:
        return bool(self.logged) or self.last_step is not None

    @property
    def tells_all(self) -> bool:
        """Whether there is more to print than the rows of the epochs."""
        return bool(self.logged) or self.test

    @property
    def stops_inside(self) -> bool:
        """Whether the training may end inside an epoch."""
        return self.range_test or self.last_step is not None

    def tensors(self, part: str) -> list[str]:
        """What a part has."""
        keys = ["inputs", "targets", *["lengths"] * self.lengths, *["weights"] * self.weights]
        return [f"{part}_{key}" if part else key for key in keys]
