"""The loss and metrics of a part that is not trained on."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .data import Part
from .metrics import MetricSet
from .record import FOLD_LOSSES, Mean
from .updates import Objective


def evaluate(
    model: nn.Module,
    objective: Objective,
    part: Part,
    batch_size: int,
    metrics: MetricSet,
    between: Callable[[], None],
) -> float | None:
    """Mean loss in eval mode, in split order, in batches of `batch_size`; metrics are added to `metrics`.

    `between` is called before each batch and may raise to leave.
    """
    metrics.reset()
    mean, losses, sizes = Mean(), list[Tensor](), list[int]()
    model.eval()
    try:
        with torch.no_grad():
            for rows in part.in_order(batch_size):
                between()
                batch = part.select(rows, rows.stop - rows.start)
                loss, outputs = objective(batch)
                losses.append(loss)
                sizes.append(batch.size)
                if outputs is not None:
                    metrics.add(outputs, batch.targets)
                if len(losses) == FOLD_LOSSES:
                    _fold(mean, losses, sizes)
        _fold(mean, losses, sizes)
    finally:
        model.train()
    return mean.value


def _fold(mean: Mean, losses: list[Any], sizes: list[int]) -> None:
    if losses:
        for loss, size in zip(torch.stack(losses).tolist(), sizes, strict=True):
            mean.add(loss, size)
    losses.clear()
    sizes.clear()
