"""Losses: the table, and how a batch's outputs and targets are brought to the shapes a loss expects."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from .config import Component
from .errors import ConfigError

LOSSES: dict[str, type[nn.Module]] = {
    loss.__name__: loss
    for loss in (
        nn.CrossEntropyLoss,
        nn.NLLLoss,
        nn.BCEWithLogitsLoss,
        nn.BCELoss,
        nn.MSELoss,
        nn.L1Loss,
        nn.SmoothL1Loss,
        nn.HuberLoss,
        nn.KLDivLoss,
        nn.PoissonNLLLoss,
        nn.SoftMarginLoss,
        nn.MultiMarginLoss,
        nn.MultiLabelMarginLoss,
        nn.MultiLabelSoftMarginLoss,
        nn.HingeEmbeddingLoss,
    )
}
CLASS_LOSSES = {"CrossEntropyLoss", "NLLLoss", "MultiMarginLoss"}  # targets are class indices
BINARY_LOSSES = {"BCEWithLogitsLoss", "BCELoss"}  # two classes need one output
LABEL_LOSSES = {"MultiLabelMarginLoss"}  # targets are rows of class indices
TENSOR_ARGUMENTS = {"weight", "pos_weight"}

LossFunction = Callable[[Tensor, Tensor, Tensor | None], Tensor]
SMALLEST = torch.finfo(torch.float32).tiny


def build(config: Component, device: torch.device) -> LossFunction:
    """A function (outputs, targets, sample weights or None) -> scalar loss. Raises ConfigError."""
    kind = config["type"]
    if kind not in LOSSES:
        raise ConfigError("/loss/type", f"unknown loss {kind}")
    arguments: dict[str, Any] = {key: value for key, value in config.items() if key != "type"}
    for key in TENSOR_ARGUMENTS & arguments.keys():
        if arguments[key] is not None:
            arguments[key] = torch.as_tensor(arguments[key], dtype=torch.float32, device=device)
    try:
        modules = [LOSSES[kind](**arguments), LOSSES[kind](**{**arguments, "reduction": "none"})]
    except (TypeError, ValueError) as error:
        raise ConfigError("/loss", str(error)) from error
    mean, each = map(_of_probabilities, modules) if kind == "BCELoss" else modules
    shape = _to_class_indices if kind in CLASS_LOSSES else _to_labels if kind in LABEL_LOSSES else _to_floats

    def loss(outputs: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        outputs, targets = shape(outputs, targets)
        if weights is None:
            result: Tensor = mean(outputs, targets)
            return result
        losses: Tensor = each(outputs, targets).reshape(len(weights), -1).mean(1)
        # the weighted mean, as torch's class weights have it; nothing where no sample of the batch counts
        return (losses * weights).sum() / weights.sum().clamp(min=SMALLEST)

    return loss


def _of_probabilities(function: Any) -> Callable[[Tensor, Tensor], Tensor]:
    """torch refuses what is not between 0 and 1, NaN as well: a training that has diverged. Raises ConfigError."""

    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        try:
            result: Tensor = function(outputs, targets)
            return result
        except RuntimeError as error:
            if "between 0 and 1" not in str(error):
                raise
        if outputs.isnan().any():
            lost = outputs * math.nan
            return lost if function.reduction == "none" else lost.mean()
        low, high = outputs.min().item(), outputs.max().item()
        detail = f"BCELoss takes probabilities, and the model's outputs go from {low:.3g} to {high:.3g}"
        raise ConfigError("/loss/type", f"{detail}: let it end in Sigmoid, or take BCEWithLogitsLoss")

    return loss


def require_labels(config: Component | None, targets: Iterable[Tensor]) -> None:
    """Raises ConfigError for a loss over rows of classes whose targets are something else."""
    if config is None or config["type"] not in LABEL_LOSSES:
        return
    for rows in targets:
        if not bool(((rows == rows.floor()) & (rows >= -1) & (rows < rows.shape[1])).all()):
            wanted = f"rows of classes from 0 to {rows.shape[1] - 1}, with -1 from where there are no more"
            raise ConfigError("/loss/type", f"{config['type']} needs {wanted}: the targets are something else")


def _to_class_indices(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """A language model's [B, T, V] and [B, T] become [B*T, V] and [B*T]; all else is torch's own layout."""
    if outputs.ndim == 3 and targets.ndim == 2 and outputs.shape[:2] == targets.shape:
        return outputs.flatten(0, 1), targets.flatten()
    return outputs, targets


def _to_labels(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of class indices, which come as floats."""
    return outputs, targets.long().view_as(outputs)


def _to_floats(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Float targets of the outputs' shape: [B] and [B, 1] mean the same and must never broadcast to [B, B]."""
    if not targets.is_floating_point():
        targets = targets.float()
    if targets.shape != outputs.shape and targets.numel() == outputs.numel():
        targets = targets.view_as(outputs)
    return outputs, targets
