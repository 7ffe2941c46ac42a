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

FOLD_BATCHES = 64
FOLD_ELEMENTS = 2**20
ON_LAST_EPOCH_ONLY = {"confusion_matrix"}


class Accuracy:
    """The share of samples whose target is among the k highest outputs (one output: positive above logit 0)."""

    def __init__(self, k: int = 1) -> None:
        self.k, self.hits, self.total = k, 0, 0

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        if outputs.ndim == 1:
            hits = (outputs > 0) == (targets > 0.5)
        elif self.k == 1:
            hits = outputs.argmax(1) == targets
        else:
            hits = (outputs.topk(min(self.k, outputs.shape[1]), 1).indices == targets[:, None]).any(1)
        self.hits += int(hits.sum())
        self.total += hits.numel()

    def compute(self) -> float:
        return self.hits / self.total

    def state(self) -> Any:
        return [self.hits, self.total]

    def load(self, state: Any) -> None:
        self.hits, self.total = state


class FromTorchmetrics:
    """A torchmetrics metric, made when the number of outputs is known."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        self._make = make
        self._metric: Any = None

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        self._ready(1 if outputs.ndim == 1 else outputs.shape[1], outputs.device).update(outputs, targets)

    def _ready(self, width: int, device: torch.device) -> Any:
        if self._metric is None:
            self._width = width
            self._metric = self._make(width).to(device)
            # Each process of a training has seen all samples: there is nothing to bring together.
            self._metric.sync_on_compute = self._metric._to_sync = False
        return self._metric

    def compute(self) -> Any:
        assert self._metric is not None
        return self._metric.compute().tolist()

    def state(self) -> Any:
        if self._metric is None:
            return None
        values = {name: getattr(self._metric, name) for name in self._metric._defaults}
        return [self._width, self._metric._update_count, values]

    def load(self, state: Any) -> None:
        if state is None:
            return
        width, count, values = state
        metric = self._ready(width, torch.device("cpu"))
        for name, value in values.items():
            setattr(metric, name, value)
        metric._update_count = count
        metric._computed = None


Metric = Accuracy | FromTorchmetrics


class _OfClasses(FromTorchmetrics):
    """Sees probabilities where they matter: torchmetrics would take a fold of logits between 0 and 1 for them."""

    def __init__(self, make: Callable[[int], Any], *, ranks: bool) -> None:
        super().__init__(make)
        self._ranks = ranks

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        if outputs.ndim == 1:
            outputs = outputs.sigmoid()
        elif self._ranks:
            outputs = outputs.softmax(1)
        super().update(outputs, targets)


def _classification(name: str) -> Callable[[Component], Metric]:
    """torchmetrics' Binary... for one output, Multiclass... for more."""

    def build(config: Component) -> Metric:
        def make(width: int) -> Any:
            from torchmetrics import classification  # a second of import that accuracy does not need

            if width == 1:
                return getattr(classification, f"Binary{name}")()
            arguments = {} if name == "ConfusionMatrix" else {"average": config.get("average") or "macro"}
            return getattr(classification, f"Multiclass{name}")(num_classes=width, **arguments)

        return _OfClasses(make, ranks=name == "AUROC")

    return build


class _Regression(FromTorchmetrics):
    """Over all numbers alike, summed in float64."""

    def __init__(self, name: str, **arguments: Any) -> None:
        super().__init__(lambda width: getattr(_torchmetrics(), name)(**arguments).set_dtype(torch.float64))

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        flat = outputs.flatten().double()
        super().update(flat, targets.flatten().double())


class _Perplexity(FromTorchmetrics):
    """exp of the mean negative log likelihood, summed in float64."""

    def __init__(self) -> None:
        super().__init__(lambda width: _text().Perplexity().set_dtype(torch.float64))

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        self._ready(outputs.shape[1], outputs.device).update(outputs.double()[None], targets[None])


def _torchmetrics() -> Any:
    from torchmetrics import regression

    return regression


def _text() -> Any:
    from torchmetrics import text

    return text


METRICS: dict[str, Callable[[Component], Metric]] = {
    "accuracy": lambda config: Accuracy(),
    "top_k_accuracy": lambda config: Accuracy(int(config.get("k", 5))),
    "precision": _classification("Precision"),
    "recall": _classification("Recall"),
    "f1": _classification("F1Score"),
    "auroc": _classification("AUROC"),
    "confusion_matrix": _classification("ConfusionMatrix"),
    "mae": lambda config: _Regression("MeanAbsoluteError"),
    "rmse": lambda config: _Regression("MeanSquaredError", squared=False),
    "r2": lambda config: _Regression("R2Score"),
    "perplexity": lambda config: _Perplexity(),
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

    def __init__(self, configs: list[Component]) -> None:
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
        as_classes = _class_layout(outputs.float(), targets)
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
    """Scores [N] for a binary answer or [N, C], and targets [N]: tokens and pixels count as samples."""
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
