"""Optimizers: torch.optim's own, by name, over explicit parameter groups.

To add one, add it to OPTIMIZERS here and a spec class to app/jobs; a parity test compares the two.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn, optim

from worker.training.config import Component
from worker.training.errors import ConfigError

from .groups import grouped_names
from .update_rule import UpdateRule

OPTIMIZERS: dict[str, type[optim.Optimizer]] = {
    optimizer.__name__: optimizer
    for optimizer in (
        optim.ASGD,
        optim.Adadelta,
        optim.Adafactor,
        optim.Adagrad,
        optim.Adam,
        optim.AdamW,
        optim.Adamax,
        optim.LBFGS,
        optim.Muon,
        optim.NAdam,
        optim.RAdam,
        optim.RMSprop,
        optim.Rprop,
        optim.SGD,
        optim.SparseAdam,
        UpdateRule,
    )
}


def build(
    config: Component,
    parameters: dict[str, nn.Parameter],
    frozen: Sequence[str],
    seed: int,
    pointer: str = "/optimizer",
) -> optim.Optimizer:
    """An optimizer over all parameters but the frozen ones. Raises ConfigError at `pointer` for what torch refuses."""
    if config["type"] not in OPTIMIZERS:
        raise ConfigError(f"{pointer}/type", f"unknown optimizer {config['type']}")
    arguments = _arguments(config)
    if config["type"] == "UpdateRule":
        arguments |= {"seed": seed, "pointer": pointer}
    groups = [
        {**options, "params": [parameters[name] for name in names]}
        for names, options in grouped_names(config, list(parameters), set(frozen), pointer)
    ]
    try:
        return OPTIMIZERS[config["type"]](groups, **arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(pointer, str(error)) from error


def add_thawed(
    optimizer: optim.Optimizer,
    config: Component,
    parameters: dict[str, nn.Parameter],
    frozen: Sequence[str],
    pointer: str,
) -> None:
    """Let parameters that are no longer frozen join as new groups, with the settings of the group that names them."""
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    absent = {name for name, parameter in parameters.items() if id(parameter) in held} | set(frozen)
    arguments = _arguments(config)
    for names, options in grouped_names(config, list(parameters), absent, pointer):
        if needs_closure(optimizer):
            raise ConfigError(pointer, f"takes no further group: {', '.join(names)} cannot join it")
        settings = {key: value for key, value in {**arguments, **options}.items() if key in optimizer.defaults}
        try:
            optimizer.add_param_group({**settings, "params": [parameters[name] for name in names]})
        except (TypeError, ValueError) as error:
            raise ConfigError(pointer, str(error)) from error


def needs_closure(optimizer: optim.Optimizer) -> bool:
    """Whether a step evaluates the loss itself, perhaps several times."""
    return isinstance(optimizer, optim.LBFGS)


def _arguments(config: Component) -> dict[str, Any]:
    """Arguments as torch has them: JSON's lists were tuples."""
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in config.items()
        if key not in ("type", "groups")
    }


def learning_rates(optimizer: optim.Optimizer) -> list[float]:
    """The rates in force, group by group."""
    return [float(group["lr"]) for group in optimizer.param_groups]


def scale_learning_rates(optimizer: optim.Optimizer, scheduler: Any, factor: float) -> None:
    """Multiply every rate that this optimizer and its scheduler will use from now on."""
    for group in optimizer.param_groups:
        for key in ("lr", "initial_lr", "max_lr", "min_lr"):
            if key in group:
                group[key] = group[key] * factor
    waiting = [scheduler] if scheduler is not None else []
    while waiting:
        current = waiting.pop()
        waiting += getattr(current, "_schedulers", [])
        for key in ("base_lrs", "max_lrs", "_last_lr", "min_lrs"):
            if isinstance(getattr(current, key, None), list):
                setattr(current, key, [value * factor for value in getattr(current, key)])
        if isinstance(getattr(current, "eta_min", None), float):
            current.eta_min *= factor


def state_dtypes(optimizer: optim.Optimizer, saved: dict[str, Any]) -> None:
    """Give state tensors the dtype they were saved with: loading casts NAdam's and ASGD's to the parameter's."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for index, entries in saved["state"].items():
        state = optimizer.state[parameters[index]]
        for key, value in entries.items():
            if isinstance(value, torch.Tensor) and state[key].dtype != value.dtype:
                state[key] = value.to(state[key].device, copy=True)
