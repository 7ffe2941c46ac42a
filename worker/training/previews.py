"""What a schedule or an optimizer will do, from the real torch objects, without training."""

import warnings
from typing import Any

import torch
from torch import nn

from . import models, optimizers, schedules
from .config import Component
from .errors import ConfigError


def schedule(optimizer: Component, scheduler: Component | None, epochs: int, steps_per_epoch: int) -> dict[str, Any]:
    """Rates (and momenta, where there are any) in force at each epoch, or each step of a step schedule.

    Each group of the optimizer stands for one parameter of its own. {"points": [0, 1, ...], "groups": [{"index", "lr",
    "momentum"}]}. Raises ConfigError, also for ReduceLROnPlateau, which follows results.
    """
    if scheduler is not None and scheduler["type"] == "ReduceLROnPlateau":
        raise ConfigError("/scheduler/type", "ReduceLROnPlateau follows results: it cannot be shown beforehand")
    groups = optimizer.get("groups") or [{}]
    parameters = {f"group{index}": nn.Parameter(torch.zeros(1, 1)) for index in range(len(groups))}
    named = [{**group, "params": [f"group{index}"]} for index, group in enumerate(groups)]
    built = optimizers.build({**optimizer, "groups": named}, parameters, [], seed=0)
    steps = epochs * steps_per_epoch
    moving = None if scheduler is None else schedules.build(scheduler, built, epochs, steps)
    by_step = scheduler is not None and scheduler.get("interval") == "step"
    points = steps if by_step else epochs
    shown: list[dict[str, Any]] = [{"index": index, "lr": [], "momentum": []} for index in range(len(groups))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no optimizer step is taken in between
        for point in range(points):
            for found, group in zip(shown, built.param_groups, strict=True):
                found["lr"].append(float(group["lr"]))
                found["momentum"].append(_momentum(group))
            if moving is not None and point < points - 1:
                moving.step()
    for found in shown:
        if not any(value is not None for value in found["momentum"]):
            found["momentum"] = None
    return {"points": list(range(points)), "groups": shown}


def _momentum(group: dict[str, Any]) -> float | None:
    if "betas" in group:
        return float(group["betas"][0])
    return float(group["momentum"]) if "momentum" in group else None


def trajectory(model: Component, optimizer: Component, steps: int, seed: int = 0) -> list[dict[str, Any]]:
    """A Function under an optimizer: [{step, parameters, gradients, loss}] before each update and at the end."""
    module = models.build(model)
    parameters = dict(module.named_parameters())
    built = optimizers.build(optimizer, parameters, [], seed)
    path: list[dict[str, Any]] = []

    def closure() -> torch.Tensor:
        built.zero_grad()
        loss: torch.Tensor = module()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def look(step: int) -> None:
        loss = closure()
        path.append(
            {
                "step": step,
                "parameters": {name: p.item() for name, p in parameters.items()},
                "gradients": {name: 0.0 if p.grad is None else p.grad.item() for name, p in parameters.items()},
                "loss": loss.item(),
            }
        )

    for step in range(steps):
        look(step)
        if optimizers.needs_closure(built):
            built.step(closure)  # type: ignore[arg-type]
        else:
            built.step()
    look(steps)
    return path
