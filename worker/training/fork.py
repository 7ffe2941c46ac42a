"""A new training that starts from another one's checkpoint: what fits is taken over by name, the rest is as built."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from . import optimizers
from .config import Component
from .learner import EMA, MODEL, Learner
from .packing import unpack

Report = dict[str, list[Any]]
SHAPING = ("amsgrad", "centered", "history_size")
"""Options by which an optimizer decides, at a parameter's first step, what it keeps of it."""
FIXED_TOTAL = ("OneCycleLR", "WarmupCosine", "RangeTest")
"""Schedules that end with the run they were made for."""


def graft(learner: Learner, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> Report:
    """Weights, optimizer state and schedule of a checkpoint, as far as they fit this learner.

    Returns {"restored": [name], "reset": [{"name", "why"}], "dropped": [{"name", "why"}]}.
    """
    report: Report = {"restored": [], "reset": [], "dropped": []}
    content = unpack(metadata["descent"], tensors)
    saved = content["learner"]
    fitting = _weights(learner, tensors, saved, report)
    _optimizer(learner, saved["optimizer"], metadata["optimizer"], fitting, report)
    _scheduler(learner, saved, content.get("scheduler"), report)
    if learner.scaler is not None and saved["scaler"] is not None:
        learner.scaler.load_state_dict(saved["scaler"])
        report["restored"].append("scaler")
    return report


def sentence(report: Report) -> str:
    counts = [f"{len(report[part])} {part}" for part in ("restored", "reset", "dropped")]
    return f"The training starts from another job's checkpoint: {', '.join(counts)}."


def _reset(report: Report, name: str, why: str) -> None:
    report["reset"].append({"name": name, "why": why})


def _weights(learner: Learner, tensors: dict[str, Tensor], saved: dict[str, Any], report: Report) -> set[str]:
    """Names of the tensors that were taken over."""
    own = learner.model.state_dict()
    found = {name.removeprefix(MODEL): tensor for name, tensor in tensors.items() if name.startswith(MODEL)}
    fitting = {name for name, tensor in found.items() if name in own and own[name].shape == tensor.shape}
    for name, tensor in own.items():
        if name in fitting:
            report["restored"].append(MODEL + name)
        elif name in found:
            _reset(report, MODEL + name, f"its shape was {list(found[name].shape)}, now it is {list(tensor.shape)}")
        else:
            _reset(report, MODEL + name, "the checkpoint has none of this name")
    report["dropped"] += [
        {"name": MODEL + name, "why": "the model has none of this name"} for name in found if name not in own
    ]
    learner.model.load_state_dict({name: found[name] for name in fitting}, strict=False)
    if learner.averaged is not None:
        average = {name.removeprefix(EMA): tensor for name, tensor in tensors.items() if name.startswith(EMA)}
        if average and fitting == own.keys() == found.keys():
            learner.averaged.module.load_state_dict(average)
            learner.averaged.n_averaged.copy_(saved["averaged"])
            report["restored"].append("ema")
        else:
            _reset(report, "ema", "the average begins anew with the first update")
    return fitting


def _optimizer(
    learner: Learner, saved: dict[str, Any], described: dict[str, Any], fitting: set[str], report: Report
) -> None:
    """State by parameter name; every option is the new spec's."""
    optimizer, kind = learner.optimizer, type(learner.optimizer).__name__
    held = {name: (group, saved["state"][index]) for name, group, index in _named(saved, described)}
    names = learner.optimized_names()
    groups = [group for group in optimizer.param_groups for _ in group["params"]]
    kept: dict[int, Any] = {}
    for index, (name, group) in enumerate(zip(names, groups, strict=True)):
        why = _misfit(kind, described["type"], group, held.get(name), name in fitting)
        if why is None and kind == "LBFGS" and not (names == _all(described) and set(names) <= fitting):
            why = "LBFGS keeps one history of all parameters, and they are not the same"
        if why is None:
            kept[index] = held[name][1]
            report["restored"].append(f"optimizer.{name}")
        elif name in held:
            _reset(report, f"optimizer.{name}", why)
    report["dropped"] += [
        {"name": f"optimizer.{name}", "why": "it is not optimized any more"} for name in held if name not in names
    ]
    state = {"state": kept, "param_groups": optimizer.state_dict()["param_groups"]}
    optimizer.load_state_dict(state)
    optimizers.state_dtypes(optimizer, state)


def _named(saved: dict[str, Any], described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], int]]:
    """(parameter name, its group, its number) for each parameter with a state."""
    for group, told in zip(saved["param_groups"], described["groups"], strict=True):
        for index, name in zip(group["params"], told["parameters"], strict=True):
            if index in saved["state"]:
                yield name, group, index


def _all(described: dict[str, Any]) -> list[str]:
    return [name for group in described["groups"] for name in group["parameters"]]


def _misfit(kind: str, was: str, group: dict[str, Any], held: tuple[Any, Any] | None, fits: bool) -> str | None:
    """Why a parameter's state is not taken over."""
    if held is None:
        return "the checkpoint has no state of it"
    if kind != was:
        return f"the optimizer was {was}, now it is {kind}"
    if not fits:
        return "its parameter has another shape"
    changed = [key for key in SHAPING if group.get(key) != held[0].get(key)]
    if kind == "RMSprop" and bool(group["momentum"]) != bool(held[0]["momentum"]):
        changed.append("momentum")
    return f"{', '.join(changed)} changed" if changed else None


def _scheduler(learner: Learner, saved: dict[str, Any], was: Component | None, report: Report) -> None:
    """Its clock goes on where its section and the rates it starts from are unchanged."""
    if learner.scheduler is None:
        if was is not None:
            report["dropped"].append({"name": "scheduler", "why": "the spec has none"})
        return
    why = None
    own, old = learner.optimizer.param_groups, saved["optimizer"]["param_groups"]
    if was != learner.scheduler_config:
        why = "its section of the spec changed"
    elif _types(was) & set(FIXED_TOTAL):
        why = "it belongs to one run of a given length"
    elif [group.get("initial_lr") for group in own] != [group.get("initial_lr") for group in old]:
        why = "the learning rates that it starts from changed"
    if why is not None:
        _reset(report, "scheduler", why)
        return
    learner.scheduler.load_state_dict(saved["scheduler"])
    cycled = ("lr", "momentum", "betas") if _types(was) & {"CyclicLR"} else ("lr",)
    for group, before in zip(own, old, strict=True):
        for key in cycled:
            if key in group:
                rate = before[key]
                group[key] = rate.clone() if isinstance(rate, torch.Tensor) else rate
    report["restored"].append("scheduler")


def _types(config: Component | None) -> set[str]:
    """Of a schedule and all that it is composed of."""
    if config is None:
        return set()
    return {config["type"]}.union(*(_types(inner) for inner in config.get("schedulers") or []))
