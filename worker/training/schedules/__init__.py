"""Learning-rate schedules: torch.optim.lr_scheduler's own by name, nested at will, and WarmupCosine.

To add one, add a builder to SCHEDULERS here and a spec class to app/jobs; a parity test compares the two.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch.optim import Optimizer, lr_scheduler

from worker.training.config import Component
from worker.training.errors import ConfigError
from worker.training.formulas import evaluate_float

from .range_test import RangeTest
from .warmup_cosine import warmup_cosine

Scheduler = lr_scheduler.LRScheduler
OWN_KEYS = {"type", "interval", "monitor", "schedulers", "lr_lambda"}


@dataclass(frozen=True)
class Clock:
    """What a schedule may need to know: the optimizer it drives and how often it will be stepped."""

    optimizer: Optimizer
    total: int  # epochs or steps of the phase


def build(config: Component, optimizer: Optimizer, epochs: int, steps: int, pointer: str = "/scheduler") -> Scheduler:
    """The scheduler of a phase of `epochs` and `steps`. Raises ConfigError for what torch refuses or trips over."""
    by_step = config.get("interval", "epoch") == "step"
    if config["type"] == "ReduceLROnPlateau" and by_step:
        raise ConfigError(f"{pointer}/interval", "ReduceLROnPlateau steps by epoch")
    return _build(config, Clock(optimizer, steps if by_step else epochs), pointer)


def _build(config: Component, clock: Clock, pointer: str) -> Scheduler:
    if config["type"] not in SCHEDULERS:
        raise ConfigError(f"{pointer}/type", f"unknown scheduler {config['type']}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return SCHEDULERS[config["type"]](config, clock, pointer)
    except (TypeError, ValueError, KeyError, ArithmeticError, AttributeError, NotImplementedError) as error:
        raise ConfigError(pointer, str(error)) from error


def _arguments(config: Component) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in OWN_KEYS}


def _plain(scheduler: Callable[..., Scheduler]) -> Callable[[Component, Clock, str], Scheduler]:
    return lambda config, clock, pointer: scheduler(clock.optimizer, **_arguments(config))


def _by_formula(scheduler: Callable[..., Scheduler]) -> Callable[[Component, Clock, str], Scheduler]:
    def build_lambdas(config: Component, clock: Clock, pointer: str) -> Scheduler:
        trees, groups = config["lr_lambda"], len(clock.optimizer.param_groups)
        # A tree may be a list itself, ["**", ...]; a list of trees begins with a tree, never with an operation.
        several = isinstance(trees, list) and (not isinstance(trees[0], str) or trees[0] == "epoch")
        each = trees if several else [trees] * groups
        if len(each) != groups:
            raise ConfigError(f"{pointer}/lr_lambda", f"{len(each)} formulas for {groups} parameter groups")
        return scheduler(clock.optimizer, [_lambda(tree) for tree in each])

    return build_lambdas


def _lambda(tree: Any) -> Callable[[int], float]:
    return lambda epoch: evaluate_float(tree, {"epoch": float(epoch)})


def _step(config: Component, clock: Clock, pointer: str) -> Scheduler:
    if config["step_size"] < 1:
        raise ConfigError(f"{pointer}/step_size", "is at least 1")
    return lr_scheduler.StepLR(clock.optimizer, **_arguments(config))


def _one_cycle(config: Component, clock: Clock, pointer: str) -> Scheduler:
    scheduler = lr_scheduler.OneCycleLR(clock.optimizer, **_arguments(config))
    # torch's constructor takes the first of total_steps; each later step raises at the end of the cycle.
    if scheduler.total_steps < clock.total:
        raise ConfigError(pointer, f"its {scheduler.total_steps} steps are fewer than the {clock.total} to be taken")
    return scheduler


def _nested(config: Component, clock: Clock, pointer: str) -> list[Scheduler]:
    schedulers = []
    for index, inner in enumerate(config["schedulers"]):
        at = f"{pointer}/schedulers/{index}"
        if inner["type"] == "ReduceLROnPlateau":
            raise ConfigError(at, "ReduceLROnPlateau cannot be nested: it steps by a monitored value")
        if index and config["type"] == "SequentialLR" and inner["type"] in ("SequentialLR", "ChainedScheduler"):
            raise ConfigError(at, f"torch cannot start a {inner['type']} at a milestone: it may only come first")
        schedulers.append(_build(inner, replace(clock, total=_own_steps(config, index, clock.total)), at))
    return schedulers


def _own_steps(config: Component, index: int, total: int) -> int:
    """How often an inner scheduler is stepped: in a sequence, to the step before the next one's first."""
    if config["type"] != "SequentialLR":
        return total
    starts: list[int] = [0, *config["milestones"]]
    last = starts[index + 1] - 1 if index + 1 < len(starts) and starts[index + 1] <= total else total
    return max(0, last - starts[index])


def _sequential(config: Component, clock: Clock, pointer: str) -> Scheduler:
    return lr_scheduler.SequentialLR(clock.optimizer, _nested(config, clock, pointer), config["milestones"])


def _chained(config: Component, clock: Clock, pointer: str) -> Scheduler:
    return lr_scheduler.ChainedScheduler(_nested(config, clock, pointer), clock.optimizer)


def _warmup_cosine(config: Component, clock: Clock, pointer: str) -> Scheduler:
    if not 0 <= config["warmup"] < clock.total:
        raise ConfigError(f"{pointer}/warmup", f"is less than the {clock.total} epochs or steps of the job")
    return warmup_cosine(clock.optimizer, config["warmup"], config.get("min_factor", 0.0), clock.total)


def _range_test(config: Component, clock: Clock, pointer: str) -> Scheduler:
    return RangeTest(clock.optimizer, config["min_lr"], config["max_lr"], clock.total)


SCHEDULERS: dict[str, Callable[[Component, Clock, str], Scheduler]] = {
    "LambdaLR": _by_formula(lr_scheduler.LambdaLR),
    "MultiplicativeLR": _by_formula(lr_scheduler.MultiplicativeLR),
    "StepLR": _step,
    "MultiStepLR": _plain(lr_scheduler.MultiStepLR),
    "ConstantLR": _plain(lr_scheduler.ConstantLR),
    "LinearLR": _plain(lr_scheduler.LinearLR),
    "ExponentialLR": _plain(lr_scheduler.ExponentialLR),
    "PolynomialLR": _plain(lr_scheduler.PolynomialLR),
    "CosineAnnealingLR": _plain(lr_scheduler.CosineAnnealingLR),
    "CosineAnnealingWarmRestarts": _plain(lr_scheduler.CosineAnnealingWarmRestarts),
    "CyclicLR": _plain(lr_scheduler.CyclicLR),
    "OneCycleLR": _one_cycle,
    "ReduceLROnPlateau": _plain(lr_scheduler.ReduceLROnPlateau),
    "ChainedScheduler": _chained,
    "SequentialLR": _sequential,
    "WarmupCosine": _warmup_cosine,
    "RangeTest": _range_test,
}
