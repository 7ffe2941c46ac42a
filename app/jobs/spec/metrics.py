"""Metrics of the epoch rows: each a name or `{"type": name, ...}`."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from app.jobs.spec.base import Component, Count, Table


class Metric(Component):
    target: ClassVar[Literal["class", "number"]] = "class"
    is_number: ClassVar[bool] = True  # whether a monitor can follow it


class Accuracy(Metric):
    """The share of samples whose class has the highest output; with one output, whether it is above 0."""

    type: Literal["accuracy"] = "accuracy"


class TopKAccuracy(Metric):
    type: Literal["top_k_accuracy"] = "top_k_accuracy"
    k: Annotated[Count, Field(le=100_000)] = 5


class _Averaged(Metric):
    """Over classes: `macro` the plain mean, `weighted` by their samples, `micro` over samples."""

    average: Literal["macro", "micro", "weighted"] = "macro"


class Precision(_Averaged):
    type: Literal["precision"] = "precision"


class Recall(_Averaged):
    type: Literal["recall"] = "recall"


class F1(_Averaged):
    type: Literal["f1"] = "f1"


class AUROC(Metric):
    type: Literal["auroc"] = "auroc"
    average: Literal["macro", "weighted"] = "macro"


class ConfusionMatrix(Metric):
    """Rows are the true classes; for the last epoch and the test part."""

    type: Literal["confusion_matrix"] = "confusion_matrix"

    is_number = False


class Perplexity(Metric):
    """exp of the mean negative log likelihood of the targets."""

    type: Literal["perplexity"] = "perplexity"


class MeanAbsoluteError(Metric):
    type: Literal["mae"] = "mae"

    target = "number"


class RootMeanSquaredError(Metric):
    type: Literal["rmse"] = "rmse"

    target = "number"


class R2(Metric):
    type: Literal["r2"] = "r2"

    target = "number"


METRICS = Table("metric", shorthand=True)
METRICS.add(
    Accuracy,
    TopKAccuracy,
    Precision,
    Recall,
    F1,
    AUROC,
    ConfusionMatrix,
    Perplexity,
    MeanAbsoluteError,
    RootMeanSquaredError,
    R2,
)


def metric_names(metrics: Sequence[Metric]) -> list[str]:
    """Their names in the rows, after `train_` or `validation_`: the type, and what tells a second of one type apart."""
    names: list[str] = []
    for metric in metrics:
        name = metric.type
        if name in names:
            name = "_".join([name, *(str(value) for value in metric.model_dump(exclude={"type"}).values())])
        names.append(name)
    return names
