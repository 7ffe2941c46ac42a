"""Previews come from the objects that train; schedules that torch trips over are refused first."""

import math
from typing import Any

import pytest
import torch

from worker.training import previews
from worker.training.errors import ConfigError

SGD = {"type": "SGD", "lr": 0.1, "momentum": 0.9}


def test_linear_warm_up_then_exponential_decay() -> None:
    scheduler = {
        "type": "SequentialLR", "milestones": [2], "schedulers": [
            {"type": "ConstantLR", "factor": 0.5, "total_iters": 2}, {"type": "ExponentialLR", "gamma": 0.5},
        ],
    }  # fmt: skip
    shown = previews.schedule(SGD, scheduler, 5, 10)
    assert shown["points"] == [0, 1, 2, 3, 4]
    assert shown["groups"][0]["lr"] == [0.05, 0.05, 0.1, 0.05, 0.025]


def test_warmup_cosine_is_its_formula() -> None:
    shown = previews.schedule(SGD, {"type": "WarmupCosine", "warmup": 5, "min_factor": 0.01}, 20, 1)
    factors = [(e + 1) / 5 if e < 5 else 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (e - 5) / 15)) for e in range(20)]
    assert shown["groups"][0]["lr"] == [0.1 * factor for factor in factors]


def test_one_cycle_moves_the_momentum_too() -> None:
    scheduler = {"type": "OneCycleLR", "max_lr": 0.1, "total_steps": 20, "interval": "step"}
    shown = previews.schedule(SGD, scheduler, 2, 10)["groups"][0]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    real = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, 20)
    for index in range(20):
        assert (shown["lr"][index], shown["momentum"][index]) == (
            optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["momentum"],
        )  # fmt: skip
        if index < 19:
            optimizer.step()
            real.step()


def test_formulas_one_for_each_group() -> None:
    optimizer = {**SGD, "groups": [{"params": ["a"]}, {"params": ["b"], "lr": 0.01}]}
    trees = [["**", 0.5, ["//", "epoch", 2.0]], "epoch"]
    shown = previews.schedule(optimizer, {"type": "LambdaLR", "lr_lambda": trees}, 4, 1)
    assert [group["lr"] for group in shown["groups"]] == [[0.1, 0.1, 0.05, 0.05], [0.0, 0.01, 0.02, 0.03]]


REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (SGD, {"type": "OneCycleLR", "max_lr": 0.1, "total_steps": 5, "interval": "step"}, "/scheduler"),
    (SGD, {"type": "StepLR", "step_size": 0}, "/scheduler/step_size"),
    ({"type": "Adagrad"}, {"type": "CyclicLR", "base_lr": 0.1, "max_lr": 0.2}, "/scheduler"),
    (SGD, {"type": "SequentialLR", "milestones": [1], "schedulers": [
        {"type": "ExponentialLR", "gamma": 0.5}, {"type": "ReduceLROnPlateau"}]}, "/scheduler/schedulers/1"),
    (SGD, {"type": "LambdaLR", "lr_lambda": ["epoch", "epoch"]}, "/scheduler/lr_lambda"),
    (SGD, {"type": "WarmupCosine", "warmup": 20}, "/scheduler/warmup"),
    ({"type": "SGD", "lr": 0.1, "nesterov": True}, {"type": "ExponentialLR", "gamma": 0.5}, "/optimizer"),
]  # fmt: skip


@pytest.mark.parametrize(("optimizer", "scheduler", "pointer"), REFUSED)
def test_what_torch_trips_over_is_refused(optimizer: Any, scheduler: Any, pointer: str) -> None:
    with pytest.raises(ConfigError) as refused:
        previews.schedule(optimizer, scheduler, 4, 3)
    assert refused.value.pointer == pointer


def test_a_trajectory_is_the_quadratic_by_hand() -> None:
    model = {"type": "Function", "expression": ["*", 4.0, ["**", "x", 2.0]], "initial": {"x": 2.0}}
    path = previews.trajectory(model, {"type": "SGD", "lr": 0.125}, 2)
    assert path == [
        {"step": 0, "parameters": {"x": 2.0}, "gradients": {"x": 16.0}, "loss": 16.0},
        {"step": 1, "parameters": {"x": 0.0}, "gradients": {"x": 0.0}, "loss": 0.0},
        {"step": 2, "parameters": {"x": 0.0}, "gradients": {"x": 0.0}, "loss": 0.0},
    ]
