"""Stopped anywhere and resumed, a run's rows and weights are those of the run that was never stopped, bit for bit."""

import copy
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch

from worker.training.optimizers import OPTIMIZERS
from worker.training.schedules import SCHEDULERS

from .conftest import Result, Train

STEPS = 24  # four epochs of six
NO_MOMENTUM = {"Adadelta", "Adafactor", "Adagrad", "ASGD", "LBFGS", "Rprop", "UpdateRule"}

OPTIMIZER_CONFIGS: dict[str, dict[str, Any]] = {
    **{name: {"type": name} for name in OPTIMIZERS},
    "SGD": {"type": "SGD", "lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.001},
    "Adam": {"type": "Adam", "lr": 0.01, "amsgrad": True, "betas": [0.8, 0.99]},
    "Adam fused": {"type": "Adam", "lr": 0.01, "fused": True},
    "AdamW foreach": {"type": "AdamW", "lr": 0.01, "foreach": True},
    "RMSprop": {"type": "RMSprop", "lr": 0.01, "momentum": 0.5, "centered": True},
    "LBFGS": {"type": "LBFGS", "lr": 0.5, "max_iter": 4, "history_size": 5, "line_search_fn": "strong_wolfe"},
    "LBFGS plain": {"type": "LBFGS", "lr": 0.1, "max_iter": 3},
    "UpdateRule": {
        "type": "UpdateRule",
        "lr": 0.02,
        "hyperparameters": {"gamma": 0.9, "eps": 1e-6},
        "state": {"s": 0.0},
        "update": [
            ["s", ["+", ["*", "gamma", "s"], ["*", ["-", 1.0, "gamma"], ["**", "grad", 2.0]]]],
            [
                "param",
                ["-", "param", ["/", ["*", "lr", ["+", "grad", ["*", 0.01, "noise"]]], ["sqrt", ["+", "s", "eps"]]]],
            ],
        ],
    },
}
SCHEDULER_CONFIGS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "LambdaLR": {"type": "LambdaLR", "lr_lambda": ["**", 0.95, "epoch"]},
    "MultiplicativeLR": {"type": "MultiplicativeLR", "lr_lambda": 0.9},
    "StepLR": {"type": "StepLR", "step_size": 2, "gamma": 0.5},
    "MultiStepLR": {"type": "MultiStepLR", "milestones": [1, 3]},
    "ConstantLR": {"type": "ConstantLR", "factor": 0.5, "total_iters": 2},
    "LinearLR": {"type": "LinearLR", "start_factor": 0.2, "total_iters": 3},
    "ExponentialLR": {"type": "ExponentialLR", "gamma": 0.9},
    "PolynomialLR": {"type": "PolynomialLR", "total_iters": 4, "power": 2.0},
    "CosineAnnealingLR": {"type": "CosineAnnealingLR", "T_max": 4},
    "CosineAnnealingWarmRestarts": {"type": "CosineAnnealingWarmRestarts", "T_0": 2, "T_mult": 2},
    "CyclicLR": {"type": "CyclicLR", "base_lr": 0.01, "max_lr": 0.1, "step_size_up": 5, "interval": "step"},
    "OneCycleLR": {"type": "OneCycleLR", "max_lr": 0.1, "total_steps": STEPS, "interval": "step"},
    "ReduceLROnPlateau": {"type": "ReduceLROnPlateau", "patience": 0, "threshold": 0.5, "monitor": "train_loss"},
    "ChainedScheduler": {
        "type": "ChainedScheduler",
        "schedulers": [
            {"type": "ConstantLR", "factor": 0.5, "total_iters": 2},
            {"type": "ExponentialLR", "gamma": 0.9},
        ],
    },
    "SequentialLR": {
        "type": "SequentialLR",
        "milestones": [7],
        "interval": "step",
        "schedulers": [
            {"type": "LinearLR", "start_factor": 0.1, "total_iters": 7},
            {"type": "CosineAnnealingLR", "T_max": 17},
        ],
    },
    "WarmupCosine": {"type": "WarmupCosine", "warmup": 5, "min_factor": 0.01, "interval": "step"},
    "RangeTest": {"type": "RangeTest", "min_lr": 1e-5, "max_lr": 1e-2, "interval": "step"},
}
PAIRS = [(o, s) for o in OPTIMIZER_CONFIGS for s in SCHEDULER_CONFIGS if o != "SparseAdam"]  # which has its own test
SOME = set(random.Random(7).sample(PAIRS, len(PAIRS) // 10))


def test_the_tables_are_whole() -> None:
    assert OPTIMIZERS.keys() <= OPTIMIZER_CONFIGS.keys()
    assert SCHEDULERS.keys() <= SCHEDULER_CONFIGS.keys()


@pytest.mark.parametrize(
    ("optimizer", "scheduler"),
    [pytest.param(*pair, marks=() if pair in SOME else pytest.mark.slow) for pair in PAIRS],
)
def test_every_optimizer_under_every_schedule(
    config: dict[str, Any],
    train: Train,
    interrupted: Callable[[dict[str, Any], int], Result],
    optimizer: str,
    scheduler: str,
) -> None:
    schedule = copy.deepcopy(SCHEDULER_CONFIGS[scheduler])
    kind = OPTIMIZER_CONFIGS[optimizer]["type"]
    if schedule is not None and schedule["type"] in ("CyclicLR", "OneCycleLR") and kind in NO_MOMENTUM:
        schedule["cycle_momentum"] = False
    if kind == "Muon":
        config["model"]["layers"] = [
            {**layer, "bias": False} for layer in config["model"]["layers"] if "in_features" in layer
        ]
    config["phases"][0] |= {"optimizer": OPTIMIZER_CONFIGS[optimizer], "scheduler": schedule}
    if kind not in ("LBFGS", "Muon"):
        config["phases"][0]["optimizer"] = {
            **OPTIMIZER_CONFIGS[optimizer],
            "groups": [{"params": ["0.weight", "0.bias"]}, {"params": ["1.weight", "1.bias", "4.weight", "4.bias"]}],
        }
    whole = train(config)
    assert whole.end["outcome"] == "succeeded", whole.end
    assert len(whole.rows) == 4 or scheduler == "RangeTest"
    resumed = interrupted({**config, "run": {**config["run"], "directory": config["run"]["directory"] + "-2"}}, 9)
    assert resumed.rows == whole.rows
    same(resumed, whole)


def same(one: Result, other: Result) -> None:
    weights, expected = one.weights(), other.weights()
    assert weights.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(weights[name], tensor), name


@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_a_stop_inside_a_validation_that_draws_random_numbers(
    config: dict[str, Any],
    train: Train,
    interrupted: Callable[[dict[str, Any], int], Result],
    ema_decay: float | None,
) -> None:
    """FractionalMaxPool2d draws its regions in `eval()` too: the validation made again has to draw the same ones."""
    config["training"] |= {"batch_size": 8, "ema_decay": ema_decay}  # 12 updates, then 3 batches of validation
    config["phases"][0]["epochs"] = 2
    config["model"]["layers"][2:] = [
        {"type": "Reshape", "shape": [2, 2, 2]},
        {"type": "Upsample", "scale_factor": 4, "mode": "bilinear"},
        {"type": "FractionalMaxPool2d", "kernel_size": 2, "output_size": 5},
        {"type": "Flatten"},
        {"type": "Linear", "in_features": 50, "out_features": 3},
    ]
    whole = train(config)
    for poll in range(13, 16 if ema_decay is None else 19):
        run = {**config["run"], "directory": f"{config['run']['directory']}-{poll}"}
        resumed = interrupted({**config, "run": run}, poll)
        assert resumed.rows == whole.rows, poll
        same(resumed, whole)
