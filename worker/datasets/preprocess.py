"""Preprocessing in float64. Each step is fitted on the training part and applied to all parts."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from app.jobs.spec.preprocess import (
    Impute,
    MinMaxScale,
    Normalize,
    OneHot,
    Ordinal,
    Preprocessor,
    Resize,
    Standardize,
    ToFloat,
)
from worker.datasets.room import Room
from worker.datasets.tables import Columns, fill_values, one_hot, ordinal

Parts = dict[str, Tensor]
Fitted = dict[str, Tensor]
Fit = Callable[[Any, Tensor], tuple[Fitted, Callable[[Tensor], Tensor]]]


def preprocess(
    parts: Parts,
    steps: list[Preprocessor],
    columns: Columns | None = None,
    room: Room | None = None,
    largest: int | None = None,
) -> tuple[Parts, Fitted]:
    """The parts after all steps, in float64 unless nothing touched integers, and what was fitted as `<step>.<name>`.

    `largest` is that of the type that whole numbers had at their source, where it was another one than here.
    """
    fitted: Fitted = {}
    columns, room = columns or Columns(), room or Room()
    for index, step in enumerate(steps):
        if isinstance(step, Ordinal):
            apply = ordinal(step, columns)
        elif isinstance(step, OneHot):
            columns, apply = one_hot(step, columns)
        else:
            if isinstance(step, Standardize | MinMaxScale) and not parts["train"].is_floating_point():
                parts = {**parts, "train": room.each(parts["train"], Tensor.double)}  # all of it is looked at
            if isinstance(step, ToFloat):
                found, apply = _to_float(parts["train"], largest)
            else:
                found, apply = STEPS[type(step)](step, parts["train"])
            fitted |= {f"{index}.{name}": value for name, value in found.items()}
        parts = {name: room.each(part, apply) for name, part in parts.items()}
    return parts, fitted


def _impute(step: Impute, train: Tensor) -> tuple[Fitted, Callable[[Tensor], Tensor]]:
    values = fill_values(step, train)
    return {"values": values}, lambda x: torch.where(x.isnan(), values, x.double())


def _normalize(step: Normalize, train: Tensor) -> tuple[Fitted, Callable[[Tensor], Tensor]]:
    # One value for each channel of an image [C, H, W], else for each feature.
    shape = (-1, 1, 1) if train.ndim == 4 else (-1,)
    mean = torch.tensor(step.mean, dtype=torch.float64).reshape(shape)
    std = torch.tensor(step.std, dtype=torch.float64).reshape(shape)
    return {}, lambda x: (x.double() - mean) / std


def _standardize(step: Standardize, train: Tensor) -> tuple[Fitted, Callable[[Tensor], Tensor]]:
    train = train.double()
    mean, std, constant = train.mean(0), train.std(0, unbiased=False), _constant(train)
    scale = torch.where(constant, 1.0, std)
    return {"mean": mean, "std": std, "constant": constant}, lambda x: torch.where(
        constant, 0.0, (x.double() - mean) / scale
    )


def _min_max_scale(step: MinMaxScale, train: Tensor) -> tuple[Fitted, Callable[[Tensor], Tensor]]:
    train = train.double()
    low, high, constant = train.amin(0), train.amax(0), _constant(train)
    scale = torch.where(constant, 1.0, high - low)
    return {"min": low, "max": high}, lambda x: torch.where(constant, 0.0, (x.double() - low) / scale)


def _constant(train: Tensor) -> Tensor:
    return train.amin(0) == train.amax(0)


def _resize(step: Resize, train: Tensor) -> tuple[Fitted, Callable[[Tensor], Tensor]]:
    size = step.size if isinstance(step.size, tuple) else (step.size, step.size)
    return {}, lambda x: F.interpolate(x.double(), size=size, mode="bilinear", align_corners=False, antialias=False)


def _to_float(train: Tensor, largest: int | None) -> tuple[Fitted, Callable[[Tensor], Tensor]]:
    if train.is_floating_point():
        return {}, lambda x: x
    scale = torch.tensor(largest or torch.iinfo(train.dtype).max, dtype=torch.float64)
    return {"largest": scale}, lambda x: x.double() / scale


STEPS: dict[type[Preprocessor], Fit] = {
    Normalize: _normalize,
    Standardize: _standardize,
    MinMaxScale: _min_max_scale,
    Resize: _resize,
    Impute: _impute,
}
