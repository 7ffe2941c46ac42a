"""Metrics of the epoch rows: each a name or `{"type": name, ...}`."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from app.jobs.spec.base import Component, Count, Table
from app.jobs.spec.losses import Loss, Target


class Metric(Component):
    measures: ClassVar[frozenset[Target]] = frozenset({"class", "binary"})
    is_number: ClassVar[bool] = True  # whether a monitor can follow it

    def arguments(self, loss: Loss | None) -> dict[str, Any]:
        """All but the type, with what the loss decides filled in."""
        return self.model_dump(mode="json", exclude={"type"})


class Accuracy(Metric):
    """The share of samples whose class has the highest output; with one output, whether it is above 0."""

    type: Literal["accuracy"] = "accuracy"


class TopKAccuracy(Metric):
    type: Literal["top_k_accuracy"] = "top_k_accuracy"
    k: Annotated[Count, Field(le=100_000)] = 5

    measures = frozenset({"class"})


class _Averaged(Metric):
    """Over classes, or over the columns of yes and no: `macro` the plain mean, `weighted` by their samples, `micro`
    over samples. `binary` is of the answer yes alone: the default where the loss is for yes and no; else `macro`."""

    average: Literal["binary", "macro", "micro", "weighted"] | None = None

    def arguments(self, loss: Loss | None) -> dict[str, Any]:
        of_yes = loss is not None and loss.target == "binary"
        return {"average": self.average or ("binary" if of_yes else "macro")}


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

    measures = frozenset({"class"})


class MeanAbsoluteError(Metric):
    type: Literal["mae"] = "mae"

    measures = frozenset({"number"})


class RootMeanSquaredError(Metric):
    type: Literal["rmse"] = "rmse"

    measures = frozenset({"number"})


class R2(Metric):
    type: Literal["r2"] = "r2"

    measures = frozenset({"number"})


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


def metric_names(metrics: Sequence[Metric], loss: Loss | None) -> list[str]:
    """Their names in the rows, after `train_` or `validation_`: the type, and what tells a second of one type apart."""
    names: list[str] = []
    for metric in metrics:
        name = metric.type
        if name in names:
            name = "_".join([name, *(str(value) for value in metric.arguments(loss).values())])
        names.append(name)
    return names
