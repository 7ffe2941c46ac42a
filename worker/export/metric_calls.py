"""A metric as the call that makes it, and what it is updated with."""

from typing import Any

from worker.training.config import Component
from worker.training.metrics import ON_LAST_EPOCH_ONLY, REGRESSION

from .code import call, literal

CLASSES = {
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1Score",
    "auroc": "AUROC",
    "confusion_matrix": "ConfusionMatrix",
}
NUMBERS = {
    "mae": "MeanAbsoluteError()",
    "rmse": "MeanSquaredError(squared=False)",
    "r2": "R2Score()",
    "perplexity": "Perplexity()",
}


def hits(metric: Component, outputs: list[int], last: bool) -> str:
    """A tensor that says of each answer whether it is right."""
    axis = -1 if last else 1
    k: Any = metric.get("k", 5) if metric["type"] == "top_k_accuracy" else 1
    if k == 1:
        return f"outputs.float().argmax({axis}) == y"
    best = f"outputs.float().topk({min(k, outputs[axis if last else 0])}, {axis}).indices"
    return f"({best} == y.unsqueeze({axis})).any({axis})"


def of_numbers(kind: str, outputs: list[int]) -> tuple[str, str]:
    """How torchmetrics' class is made, and what it is updated with."""
    made = f"{NUMBERS[kind]}.set_dtype(torch.float64)"
    if kind not in REGRESSION:
        return made, "scores.double()[None], classes[None]"
    flat = "" if kind == "r2" and len(outputs) == 1 and outputs[0] > 1 else ".flatten()"
    return made, f"outputs{flat}.double(), targets{flat}.double()"


def of_classes(metric: Component, width: int) -> tuple[str, str]:
    kind = metric["type"]
    average = [] if kind in ON_LAST_EPOCH_ONLY else [f"average={literal(metric.get('average') or 'macro')}"]
    seen = "scores.softmax(1), classes" if kind == "auroc" else "scores, classes"
    return call(f"Multiclass{CLASSES[kind]}", [f"num_classes={width}", *average]), seen


def of_answers(metric: Component, width: int) -> tuple[str, str]:
    """Of `width` answers of yes and no."""
    kind, average = metric["type"], metric.get("average")
    if average in (None, "binary"):
        flat = ".flatten()" if width > 1 else ""
        return f"Binary{CLASSES[kind]}()", f"scores{flat}.sigmoid(), classes{flat}"
    given = [f"average={literal(average)}"]
    if width > 1:
        return call(f"Multilabel{CLASSES[kind]}", [f"num_labels={width}", *given]), "scores.sigmoid(), classes"
    if kind == "auroc":
        return "BinaryAUROC()", "scores.sigmoid(), classes"
    return call(f"Multiclass{CLASSES[kind]}", ["num_classes=2", *given]), "(scores.sigmoid() > 0.5).long(), classes"
