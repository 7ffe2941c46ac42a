"""Metrics over the samples of an epoch, updated in folds of many batches so that they cost a small model little.

Accuracies are counted here, in whole numbers; the rest is torchmetrics'. A fold's boundaries depend on the batches
alone, and what waits for the next is part of the training state: an interrupted epoch ends with the same numbers.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .config import Component
from .errors import ConfigError
from .measures import Accuracy, Metric, OfClasses, Perplexity, Regression

FOLD_BATCHES = 64
FOLD_ELEMENTS = 2**20
ON_LAST_EPOCH_ONLY = {"confusion_matrix"}


METRICS: dict[str, Callable[[Component], Metric]] = {
    "accuracy": lambda config: Accuracy(),
    "top_k_accuracy": lambda config: Accuracy(int(config.get("k", 5))),
    "precision": lambda config: OfClasses("Precision", config.get("average")),
    "recall": lambda config: OfClasses("Recall", config.get("average")),
    "f1": lambda config: OfClasses("F1Score", config.get("average")),
    "auroc": lambda config: OfClasses("AUROC", config.get("average")),
    "confusion_matrix": lambda config: OfClasses("ConfusionMatrix", None),
    "mae": lambda config: Regression("MeanAbsoluteError"),
    "rmse": lambda config: Regression("MeanSquaredError", squared=False),
    "r2": lambda config: Regression("R2Score", by_column=True),
    "perplexity": lambda config: Perplexity(),
}
REGRESSION = {"mae", "rmse", "r2"}


def names(configs: list[Component]) -> list[str]:
    """A metric's name is its type; the k of a second top_k_accuracy and the average of a second f1 tell them apart."""
    result: list[str] = []
    for config in configs:
        name = config["type"]
        if name in result:
            name = "_".join([name, *(str(value) for key, value in config.items() if key != "type")])
        result.append(name)
    return result


class MetricSet:
    """The metrics of one part over one epoch."""

    def __init__(self, configs: list[Component], loss: Component | None = None) -> None:
        self._probabilities = loss is not None and loss["type"] == "BCELoss"
        for index, config in enumerate(configs):
            if config["type"] not in METRICS:
                raise ConfigError(f"/metrics/{index}", f"unknown metric {config['type']}")
        self._configs = configs
        self.reset()

    def __bool__(self) -> bool:
        return bool(self._configs)

    def reset(self) -> None:
        self._metrics = {
            name: METRICS[config["type"]](config)
            for name, config in zip(names(self._configs), self._configs, strict=True)
        }
        self._waiting: list[tuple[Tensor, Tensor]] = []
        self._elements = 0

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        """A batch's outputs and targets; folded in when enough have come together."""
        if not self._metrics:
            return
        self._waiting.append((outputs, targets))
        self._elements += outputs.numel()
        if len(self._waiting) >= FOLD_BATCHES or self._elements >= FOLD_ELEMENTS:
            self._fold()

    def _fold(self) -> None:
        if not self._waiting:
            return
        outputs, targets = (torch.cat(column) for column in zip(*self._waiting, strict=True))
        self._waiting, self._elements = [], 0
        scores = outputs.double().logit() if self._probabilities else outputs.float()
        as_classes = _class_layout(scores, targets)
        for config, metric in zip(self._configs, self._metrics.values(), strict=True):
            metric.update(*((outputs.float(), targets) if config["type"] in REGRESSION else as_classes))

    def compute(self, prefix: str, last: bool) -> dict[str, Any]:
        """{prefix_name: value}, or by name alone without a prefix; some are for the last epoch only."""
        self._fold()
        return {
            (f"{prefix}_{name}" if prefix else name): metric.compute()
            for (name, metric), config in zip(self._metrics.items(), self._configs, strict=True)
            if last or config["type"] not in ON_LAST_EPOCH_ONLY
        }

    def state(self) -> Any:
        return {
            "metrics": [metric.state() for metric in self._metrics.values()],
            "waiting": [list(pair) for pair in self._waiting],
        }

    def load(self, state: Any, device: torch.device) -> None:
        self.reset()
        for metric, saved in zip(self._metrics.values(), state["metrics"], strict=True):
            metric.load(_to(saved, device))
        self._waiting = [(outputs.to(device), targets.to(device)) for outputs, targets in state["waiting"]]
        self._elements = sum(outputs.numel() for outputs, _ in self._waiting)


def _class_layout(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Scores [N, C] and targets [N], tokens and pixels counted as samples; of yes and no [N], or [N, L] where each
    sample has several answers."""
    if targets.is_floating_point() and outputs.ndim == 2 and outputs.shape[1] > 1:
        return outputs, targets.long()
    if outputs.ndim == 1 or outputs.shape[-1] == 1 or targets.is_floating_point():
        return outputs.flatten(), targets.flatten().long()
    if outputs.ndim == 2:
        return outputs, targets
    if outputs.shape[:-1] == targets.shape:  # [B, T, V]
        return outputs.flatten(0, -2), targets.flatten()
    return outputs.movedim(1, -1).flatten(0, -2), targets.flatten()  # [B, C, ...]


def _to(saved: Any, device: torch.device) -> Any:
    if isinstance(saved, Tensor):
        return saved.to(device)
    if isinstance(saved, list):
        return [_to(value, device) for value in saved]
    return {key: _to(value, device) for key, value in saved.items()} if isinstance(saved, dict) else saved
