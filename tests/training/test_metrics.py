"""Metrics see logits as logits, whatever their size."""

import torch

from worker.training.metrics import MetricSet


def computed(configs: list[str], outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, float]:
    metrics = MetricSet([{"type": name} for name in configs])
    metrics.add(outputs, targets)
    return metrics.compute("", last=True)


def test_small_logits_are_no_probabilities() -> None:
    """Between 0 and 1 alone, torchmetrics would compare them with 0.5."""
    found = computed(["accuracy", "precision", "recall"], torch.tensor([[0.2], [0.3], [0.4], [0.1]]), torch.ones(4, 1))
    assert found == {"accuracy": 1.0, "precision": 1.0, "recall": 1.0}


def test_small_scores_of_many_classes_are_ranked_as_probabilities() -> None:
    scores = torch.tensor([[0.9, 0.8], [0.6, 0.7], [0.2, 0.1], [0.1, 0.2]])
    targets = torch.tensor([0, 1, 0, 1])
    assert computed(["auroc"], scores, targets) == computed(["auroc"], scores - 5, targets) == {"auroc": 1.0}
