"""The best epoch and early stopping: what monitored values have come to. Part of every checkpoint."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from .config import Component, Config
from .errors import ConfigError
from .metrics import names


def monitors(config: Config, has_validation: bool) -> list[str]:
    """The values that an epoch of this config will have."""
    found = ["train_loss", *(f"train_{name}" for name in names(config.metrics))]
    if has_validation:
        found += ["validation_loss", *(f"validation_{name}" for name in names(config.metrics))]
        if config.training.ema_decay is not None:
            found.append("ema_validation_loss")
    return found


def require_monitor(component: Component, available: list[str], pointer: str) -> str:
    """The component's monitor. Raises ConfigError for a value that will not exist."""
    monitor: str = component.get("monitor") or "validation_loss"
    if monitor not in available:
        raise ConfigError(f"{pointer}/monitor", f"there will be no {monitor}; there are {', '.join(available)}")
    return monitor


def improves(value: float, best: float | None, mode: str, min_delta: float = 0.0) -> bool:
    """Whether a value beats the best by more than `min_delta`. NaN never does."""
    if math.isnan(value):
        return False
    if best is None:
        return True
    return value < best - min_delta if mode == "min" else value > best + min_delta


@dataclass
class Best:
    """The epoch with the best monitored value."""

    monitor: str
    mode: str
    value: float | None = None
    epoch: int | None = None
    step: int | None = None
    path: str | None = None  # of its checkpoint; None while that is not written, or in that checkpoint itself
    sha256: str | None = None

    def see(self, values: dict[str, Any], epoch: int, step: int) -> bool:
        """Take in an epoch. Returns whether it is the best so far."""
        value = values.get(self.monitor)
        if value is None or not improves(value, self.value, self.mode):
            return False
        self.value, self.epoch, self.step, self.path, self.sha256 = value, epoch, step, None, None
        return True

    def learn_from(self, other: "Best") -> None:
        """Where the checkpoint lies, if the other speaks of the same moment and knows."""
        if self.path is None and (self.epoch, self.step) == (other.epoch, other.step):
            self.path, self.sha256 = other.path, other.sha256

    def report(self) -> dict[str, Any] | None:
        if self.epoch is None:
            return None
        return {"monitor": self.monitor, "mode": self.mode, "value": self.value, "epoch": self.epoch}


@dataclass
class EarlyStopping:
    """Stop after `patience` epochs without an improvement by more than `min_delta`."""

    monitor: str
    mode: str = "min"
    patience: int = 10
    min_delta: float = 0.0
    best: float | None = None
    waited: int = 0

    def see(self, values: dict[str, Any]) -> bool:
        """Take in an epoch. Returns whether it was one too many."""
        if improves(values[self.monitor], self.best, self.mode, self.min_delta):
            self.best, self.waited = values[self.monitor], 0
        else:
            self.waited += 1
        return self.waited >= self.patience


class Tracking:
    """Best epoch, early stopping, and why the training stopped before its last epoch."""

    def __init__(self, config: Config, has_validation: bool) -> None:
        available = monitors(config, has_validation)
        keep = config.checkpoint.keep_best
        if keep is not None:
            monitor = require_monitor(keep, available, "/checkpoint/keep_best")
            self.best = Best(monitor, keep.get("mode") or "min")
        else:
            self.best = Best("validation_loss" if has_validation else "train_loss", "min")
        self.keeps_best = keep is not None
        self.early: EarlyStopping | None = None
        stopping = config.training.early_stopping
        if stopping is not None:
            require_monitor(stopping, available, "/training/early_stopping")
            known = {key: value for key, value in stopping.items() if key != "type" and value is not None}
            self.early = EarlyStopping(**{"monitor": "validation_loss", **known})
        self.stopped: dict[str, Any] | None = None
        self.values: dict[str, Any] = {}  # of the last whole epoch

    def see(self, values: dict[str, Any], epoch: int, step: int) -> bool:
        """Take in an epoch's values. Returns whether it is the best so far; may set `stopped`."""
        self.values = values
        if self.early is not None and self.early.see(values):
            self.stopped = {"reason": "early_stopping", "epoch": epoch}
        return self.best.see(values, epoch, step)

    def state(self) -> dict[str, Any]:
        return {
            "best": asdict(self.best),
            "early": None if self.early is None else [self.early.best, self.early.waited],
            "stopped": self.stopped,
            "values": self.values,
        }

    def load(self, state: dict[str, Any]) -> None:
        self.best = Best(**state["best"])
        if self.early is not None and state["early"] is not None:
            self.early.best, self.early.waited = state["early"]
        self.stopped, self.values = state["stopped"], state["values"]
