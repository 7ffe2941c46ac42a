"""What is measured: accuracies are counted here, in whole numbers; the rest is torchmetrics'."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor


class Accuracy:
    """The share of samples whose target is among the k highest outputs (one output: positive above logit 0)."""

    def __init__(self, k: int = 1) -> None:
        self.k, self.hits, self.total = k, 0, 0

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        if outputs.ndim == targets.ndim:
            hits = (outputs > 0) == (targets > 0)
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


class FromTorchmetrics(ABC):
    """A torchmetrics metric, made when it is known what is answered: the task and the number of outputs."""

    _metric: Any = None

    @abstractmethod
    def update(self, outputs: Tensor, targets: Tensor) -> None: ...

    @abstractmethod
    def make(self, task: str, width: int) -> Any: ...

    def ready(self, device: torch.device, task: str = "", width: int = 1) -> Any:
        """The metric; made by the first call."""
        if self._metric is None:
            self._made = [task, width]
            self._metric = self.make(task, width).to(device)
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
        return [self._made, self._metric._update_count, values]

    def load(self, state: Any) -> None:
        if state is None:
            return
        made, count, values = state
        metric = self.ready(torch.device("cpu"), *made)
        for name, value in values.items():
            setattr(metric, name, value)
        metric._update_count = count
        metric._computed = None


class OfClasses(FromTorchmetrics):
    """Sees probabilities where they matter: torchmetrics would take a fold of logits between 0 and 1 for them.

    Answers of yes and no are averaged over the two classes or, where a sample has several, over these; not averaged
    (None or `binary`) all are taken together.
    """

    def __init__(self, name: str, average: str | None) -> None:
        self._name, self._average = name, None if average == "binary" else average

    def make(self, task: str, width: int) -> Any:
        from torchmetrics import classification  # a second of import that accuracy does not need

        size = {"Binary": {}, "Multiclass": {"num_classes": width}, "Multilabel": {"num_labels": width}}[task]
        average = {} if task == "Binary" or self._name == "ConfusionMatrix" else {"average": self._average or "macro"}
        return getattr(classification, f"{task}{self._name}")(**size, **average)

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        if outputs.ndim > targets.ndim:
            scores = outputs.softmax(1) if self._name == "AUROC" else outputs
            self.ready(outputs.device, "Multiclass", outputs.shape[1]).update(scores, targets)
        elif self._average is None or (outputs.ndim == 1 and self._name == "AUROC"):
            self.ready(outputs.device, "Binary").update(outputs.flatten().sigmoid(), targets.flatten())
        elif outputs.ndim == 2:
            self.ready(outputs.device, "Multilabel", outputs.shape[1]).update(outputs.sigmoid(), targets)
        else:
            self.ready(outputs.device, "Multiclass", 2).update((outputs.sigmoid() > 0.5).long(), targets)


class Regression(FromTorchmetrics):
    """Over all numbers alike, or the mean over the targets' columns; summed in float64."""

    def __init__(self, name: str, *, by_column: bool = False, **arguments: Any) -> None:
        self._name, self._by_column, self._arguments = name, by_column, arguments

    def make(self, task: str, width: int) -> Any:
        from torchmetrics import regression

        return getattr(regression, self._name)(**self._arguments).set_dtype(torch.float64)

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        whole = self._by_column and outputs.ndim == 2 and outputs.shape[1] > 1
        outputs, targets = (values.double() if whole else values.double().flatten() for values in (outputs, targets))
        self.ready(outputs.device).update(outputs, targets)


class Perplexity(FromTorchmetrics):
    """exp of the mean negative log likelihood, summed in float64."""

    def make(self, task: str, width: int) -> Any:
        from torchmetrics import text

        return text.Perplexity().set_dtype(torch.float64)

    def update(self, outputs: Tensor, targets: Tensor) -> None:
        self.ready(outputs.device).update(outputs.double()[None], targets[None])


Metric = Accuracy | FromTorchmetrics
