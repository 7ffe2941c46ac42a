"""Sparse gradients: looking at them must not change what is learned, and clipping them is what a plain loop does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from .conftest import Result, Train
from .test_resume import same

Config = dict[str, Any]
OPTIMIZERS: dict[str, tuple[Config, Callable[[Any], torch.optim.Optimizer]]] = {
    "SGD": ({"type": "SGD", "lr": 0.3}, lambda p: torch.optim.SGD(p, lr=0.3)),
    "momentum": ({"type": "SGD", "lr": 0.3, "momentum": 0.9}, lambda p: torch.optim.SGD(p, lr=0.3, momentum=0.9)),
    "SparseAdam": ({"type": "SparseAdam", "lr": 0.1}, lambda p: torch.optim.SparseAdam(p, lr=0.1)),
    "Adagrad": ({"type": "Adagrad", "lr": 0.1}, lambda p: torch.optim.Adagrad(p, lr=0.1)),
}
BAG = {"type": "EmbeddingBag", "num_embeddings": 9, "embedding_dim": 3, "mode": "mean", "sparse": True}


def scaled(gradient: torch.Tensor, clip: Config | None) -> tuple[torch.Tensor, torch.Tensor]:
    """The norm before clipping, and the gradient after it."""
    norm = torch.linalg.vector_norm(gradient.coalesce().values())
    if clip is not None and clip["type"] == "norm":
        return norm, gradient * torch.clamp(clip["max_norm"] / (norm + 1e-6), max=1.0)
    if clip is not None:
        summed = gradient.coalesce()
        values = summed.values().clamp(-clip["clip_value"], clip["clip_value"])
        return norm, torch.sparse_coo_tensor(
            summed.indices(), values, summed.shape, is_coalesced=True, check_invariants=False
        )
    return norm, gradient


def plain(
    tokens: torch.Tensor, targets: torch.Tensor, make: Callable[[Any], torch.optim.Optimizer], clip: Config | None
) -> tuple[list[tuple[float, float]], torch.Tensor]:
    """Loss and gradient norm of three epochs in batches of eight, and the weights."""
    torch.manual_seed(3)
    model = nn.EmbeddingBag(9, 3, sparse=True)
    optimizer, rows = make(model.parameters()), []
    for epoch in range(1, 4):
        order = torch.randperm(40, generator=torch.Generator().manual_seed(3 * 1_000_003 + epoch))
        total, norm = 0.0, torch.tensor(0.0)
        for batch in order.split(8):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(tokens[batch]), targets[batch])
            loss.backward()
            assert model.weight.grad is not None
            norm, model.weight.grad = scaled(model.weight.grad, clip)
            optimizer.step()
            total += loss.item() * len(batch)
        rows.append((total / 40, norm.item()))
    return rows, model.weight.detach()


@pytest.mark.parametrize("clip", [None, {"type": "norm", "max_norm": 0.05}, {"type": "value", "clip_value": 0.01}])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rows_and_weights_are_those_of_plain_torch_whatever_is_looked_at(
    config: Config,
    train: Train,
    interrupted: Callable[[Config, int], Result],
    tmp_path: Path,
    name: str,
    clip: Config | None,
) -> None:
    generator = torch.Generator().manual_seed(0)
    tokens, targets = torch.randint(9, (40, 6), generator=generator), torch.randint(3, (40,), generator=generator)
    save_file({"train.inputs": tokens, "train.targets": targets}, tmp_path / "t")
    optimizer, make = OPTIMIZERS[name]
    config |= {"data": {"file": str(tmp_path / "t")}, "model": {"type": "Sequential", "layers": [BAG]}}
    config["phases"] = [{"epochs": 3, "optimizer": optimizer}]
    config["training"] = {"batch_size": 8, "clip": clip}
    whole = train(config)
    rows, weights = plain(tokens, targets, make, clip)
    assert [(row["train_loss"], row["gradient_norm"]) for row in whole.rows] == rows
    assert torch.equal(whole.weights()["model.0.weight"], weights)
    config["training"] |= {"log_every_steps": 2, "telemetry": ["groups"]}
    watched = interrupted({**config, "run": {**config["run"], "directory": str(tmp_path / "watched")}}, 7)
    same(watched, whole)
    assert all(row.pop("telemetry")["groups"][0]["update_ratio"] > 0 for row in watched.rows)
