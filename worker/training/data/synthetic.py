"""Learnable sets made from a seed, for load tests and benchmarks."""

from typing import Any

import torch
from torch import Tensor

from worker.training.errors import ConfigError

NOISE = 0.1  # standard deviation of what a model cannot explain in the regression task


def synthesize(settings: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors of {"task", "samples", "shape", "classes", "seed", "split": {part: count}}.

    classification: one normal centre a class plus unit noise; regression: a linear map plus noise; tokens: a Markov
    chain that prefers one successor, targets shifted by one (shape: [length], classes: vocabulary).
    """
    generator = torch.Generator().manual_seed(int(settings.get("seed", 0)))
    samples, shape = int(settings["samples"]), list(settings.get("shape") or [16])
    make = TASKS.get(settings["task"])
    if make is None:
        raise ConfigError("/data/dataset/task", f"unknown task {settings['task']}")
    inputs, targets = make(samples, shape, int(settings.get("classes") or 10), generator)
    split = settings.get("split") or {"train": samples}
    tensors, start = {}, 0
    for part in ("train", "validation", "test"):
        stop = start + int(split.get(part) or 0)
        if stop > start:
            tensors[f"{part}.inputs"], tensors[f"{part}.targets"] = inputs[start:stop], targets[start:stop]
        start = stop
    return tensors


def _classification(samples: int, shape: list[int], classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    centres = torch.randn(classes, *shape, generator=generator)
    targets = torch.randint(classes, (samples,), generator=generator)
    return centres[targets] + torch.randn(samples, *shape, generator=generator), targets


def _regression(samples: int, shape: list[int], classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    inputs = torch.randn(samples, *shape, generator=generator)
    flat = inputs.flatten(1)
    weights = torch.randn(flat.shape[1], 1, generator=generator) / flat.shape[1] ** 0.5
    return inputs, flat @ weights + NOISE * torch.randn(samples, 1, generator=generator)


def _tokens(samples: int, shape: list[int], classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    length = shape[0]
    successor = torch.randperm(classes, generator=generator)
    text = torch.empty(samples, length + 1, dtype=torch.int64)
    text[:, 0] = torch.randint(classes, (samples,), generator=generator)
    for position in range(length):
        stray = torch.rand(samples, generator=generator) < NOISE
        anything = torch.randint(classes, (samples,), generator=generator)
        text[:, position + 1] = torch.where(stray, anything, successor[text[:, position]])
    return text[:, :-1].contiguous(), text[:, 1:].contiguous()


TASKS = {"classification": _classification, "regression": _regression, "tokens": _tokens}
