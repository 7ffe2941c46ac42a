"""What an open epoch has come to so far: sums in float64, metrics, rates and norms. Part of every checkpoint."""

import math
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .distributed import World
from .errors import Diverged
from .metrics import MetricSet

FOLD_LOSSES = 64  # so many losses wait on the device before one transfer brings them over


@dataclass
class Mean:
    """Σ(loss · size) / Σ size in float64, in the order of the batches."""

    total: float = 0.0
    samples: int = 0

    def add(self, loss: float, size: int) -> None:
        self.total += loss * size
        self.samples += size

    @property
    def value(self) -> float | None:
        return self.total / self.samples if self.samples else None


@dataclass
class Progress:
    """Where the training is. Epochs count from 1, updates from 0."""

    epoch: int = 1
    batch: int = 0  # batches of this epoch done
    step: int = 0  # updates done, over all epochs
    phase: int = 0
    seconds: float = 0.0  # trained, over all attempts

    @property
    def epochs_done(self) -> int:
        return self.epoch - 1


@dataclass
class EpochRecord:
    """The open epoch. Losses wait on the device until they are folded in."""

    metrics: MetricSet
    world: World
    loss: Mean = field(default_factory=Mean)
    since_row: Mean = field(default_factory=Mean)  # for the step series, across epochs
    learning_rates: list[float] | None = None  # in force for the epoch's first update
    gradient_norm: float | None = None
    telemetry: dict[str, Any] | None = None
    function: dict[str, Any] = field(default_factory=dict)  # a Function's parameters and gradients before the update
    seconds: float = 0.0
    _losses: list[Tensor] = field(default_factory=list)
    _sizes: list[int] = field(default_factory=list)
    _clock: float = field(default_factory=time.monotonic)

    def add(self, loss: Tensor, size: int) -> None:
        self._losses.append(loss)
        self._sizes.append(size)

    @property
    def full(self) -> bool:
        return len(self._losses) >= FOLD_LOSSES

    def fold(self, progress: Progress, tolerate: bool) -> list[float]:
        """Bring the waiting losses over (waits for the device). Raises Diverged at one that is not finite."""
        if not self._losses:
            return []
        losses = self.world.losses(torch.stack(self._losses), self._sizes)
        for loss, size in zip(losses, self._sizes, strict=True):
            if not tolerate and not math.isfinite(loss):
                raise Diverged(progress.epoch, progress.step, loss)
            self.loss.add(loss, size)
            self.since_row.add(loss, size)
        self._losses, self._sizes = [], []
        return losses

    def tick(self) -> float:
        """Seconds since the last tick, added to the epoch's."""
        now = time.monotonic()
        passed, self._clock = now - self._clock, now
        self.seconds += passed
        return passed

    def since_tick(self) -> float:
        """Seconds not yet counted."""
        return time.monotonic() - self._clock

    def reset(self) -> None:
        """Begin the next epoch."""
        self.metrics.reset()
        self.loss, self.learning_rates, self.gradient_norm, self.telemetry = Mean(), None, None, None
        self.function = {}
        self.seconds = 0.0
        self._losses, self._sizes = [], []

    def state(self) -> dict[str, Any]:
        """Call after `fold`."""
        return {
            "loss": [self.loss.total, self.loss.samples],
            "since_row": [self.since_row.total, self.since_row.samples],
            "metrics": self.metrics.state(),
            "learning_rates": self.learning_rates,
            "gradient_norm": self.gradient_norm,
            "telemetry": self.telemetry,
            "function": self.function,
            "seconds": self.seconds,
        }

    def load(self, state: dict[str, Any], device: torch.device) -> None:
        self.reset()
        self.loss, self.since_row = Mean(*state["loss"]), Mean(*state["since_row"])
        self.metrics.load(state["metrics"], device)
        self.learning_rates, self.gradient_norm = state["learning_rates"], state["gradient_norm"]
        self.telemetry, self.seconds = state["telemetry"], state["seconds"]
        self.function = state["function"]
        self._clock = time.monotonic()
