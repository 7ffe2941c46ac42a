"""Embeddings with a largest norm: measuring shortens their rows, and shortening them again may come to other bits."""

from collections.abc import Callable
from typing import Any

import pytest

from .conftest import Result, Train
from .test_resume import same

Interrupted = Callable[[dict[str, Any], int], Result]


@pytest.fixture
def config(config: dict[str, Any]) -> dict[str, Any]:
    """Validation looks up rows that training never does."""
    tokens = {"task": "tokens", "samples": 60, "shape": [8], "classes": 3000, "seed": 1}
    config["data"] = {"synthetic": {**tokens, "split": {"train": 30, "validation": 30}}}
    config["model"]["layers"] = [
        {"type": "Embedding", "num_embeddings": 3000, "embedding_dim": 16, "max_norm": 0.01},
        {"type": "Linear", "in_features": 16, "out_features": 3000},
    ]
    config["phases"] = [{"epochs": 1, "optimizer": {"type": "SGD", "lr": 5.0}}]
    config["training"] = {"batch_size": 5, "ema_decay": 0.5}
    return config


@pytest.mark.parametrize("poll", [9, 12, 16])
def test_validation_begins_again_with_the_rows_as_they_were(
    config: dict[str, Any], train: Train, interrupted: Interrupted, poll: int
) -> None:
    """`poll`: of requests, one after each of six updates, then one for each batch of two validations."""
    whole = train(config)
    resumed = interrupted({**config, "run": {**config["run"], "directory": config["run"]["directory"] + "-2"}}, poll)
    assert resumed.rows == whole.rows
    same(resumed, whole)


def test_processes_have_the_same_rows(config: dict[str, Any], train: Train, interrupted: Interrupted) -> None:
    config["gpus"], config["phases"][0]["epochs"] = 2, 2
    whole = train(config)
    resumed = interrupted({**config, "run": {**config["run"], "directory": config["run"]["directory"] + "-2"}}, 15)
    assert resumed.rows == whole.rows
    same(resumed, whole)
