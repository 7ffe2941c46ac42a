"""Metrics see logits as logits, whatever their size."""

from typing import Any

import pytest
import sklearn.metrics
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


ANSWERS = torch.randint(2, (300, 3), generator=torch.Generator().manual_seed(0))
LOGITS = 3 * torch.randn(300, 3, generator=torch.Generator().manual_seed(1)) + ANSWERS * torch.tensor([4.0, 1.0, 0.2])
SCORES: dict[str, Any] = {
    "precision": sklearn.metrics.precision_score,
    "recall": sklearn.metrics.recall_score,
    "f1": sklearn.metrics.f1_score,
}


@pytest.mark.parametrize("kind", SCORES)
@pytest.mark.parametrize("average", ["binary", "macro", "micro", "weighted"])
@pytest.mark.parametrize("answers", [1, 3])
def test_answers_of_yes_and_no_are_averaged_as_scikit_learn_does(kind: str, average: str, answers: int) -> None:
    """Over the two classes, or over several answers; `binary` of several takes all together."""
    config = [{"type": kind, "average": average}]
    metrics, resumed = MetricSet(config), MetricSet(config)
    metrics.add(LOGITS[:90, :answers], ANSWERS[:90, :answers].float())
    metrics.compute("", last=True)
    resumed.load(metrics.state(), torch.device("cpu"))
    resumed.add(LOGITS[90:, :answers], ANSWERS[90:, :answers].float())
    shape: Any = slice(None) if answers > 1 and average != "binary" else (-1,)
    seen = [t[:, :answers].numpy() for t in (ANSWERS, (LOGITS > 0).long())]
    seen = [t if shape == slice(None) else t.reshape(shape) for t in seen]
    assert resumed.compute("", last=True)[kind] == pytest.approx(SCORES[kind](*seen, average=average), abs=1e-6)


def test_several_answers_are_ranked_each_by_itself() -> None:
    metrics = MetricSet([{"type": "auroc", "average": "macro"}, {"type": "accuracy"}, {"type": "confusion_matrix"}])
    metrics.add(LOGITS, ANSWERS.float())
    found = metrics.compute("", last=True)
    assert found["auroc"] == pytest.approx(sklearn.metrics.roc_auc_score(ANSWERS, LOGITS), abs=1e-6)
    assert found["accuracy"] == pytest.approx(((LOGITS > 0) == ANSWERS).float().mean().item())
    assert found["confusion_matrix"] == sklearn.metrics.confusion_matrix(ANSWERS.ravel(), LOGITS.ravel() > 0).tolist()


def test_what_is_a_probability_already_is_cut_at_a_half() -> None:
    """BCELoss takes no logits."""
    configs = [{"type": "accuracy"}, {"type": "f1"}, {"type": "auroc"}]
    metrics, logits = MetricSet(configs, {"type": "BCELoss"}), MetricSet(configs, {"type": "BCEWithLogitsLoss"})
    metrics.add(LOGITS.sigmoid(), ANSWERS.float())
    logits.add(LOGITS, ANSWERS.float())
    found = metrics.compute("", last=True)
    assert found == pytest.approx(logits.compute("", last=True), abs=1e-6)
    assert found["accuracy"] < 0.9


def test_r2_of_several_targets_is_the_mean_over_them() -> None:
    targets = torch.randn(50, 3, generator=torch.Generator().manual_seed(2)) * torch.tensor([1.0, 10.0, 100.0])
    outputs = targets + torch.randn(50, 3, generator=torch.Generator().manual_seed(3))
    metrics = MetricSet([{"type": "r2"}, {"type": "rmse"}, {"type": "mae"}])
    metrics.add(outputs, targets)
    found = metrics.compute("", last=True)
    assert found["r2"] == pytest.approx(sklearn.metrics.r2_score(targets, outputs))
    assert found["rmse"] == pytest.approx((outputs - targets).double().square().mean().sqrt().item())
