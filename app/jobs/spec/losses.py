"""Losses with torch's names and arguments; the reduction is the mean, over which the rows are defined."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from app.jobs.spec.base import Boolean, Complaint, Component, Integer, NonNegative, Number, Positive, Probability, Table

Weights = Annotated[list[NonNegative], Field(min_length=1, max_length=100_000)]
# What a loss compares the outputs with: a class index, numbers, either with two classes, or a list of class indices.
Target = Literal["class", "number", "binary", "labels"]


class Loss(Component):
    reduction: Literal["mean"] = "mean"

    target: ClassVar[Target] = "number"

    def rules(self) -> Iterator[Complaint]:
        weight = getattr(self, "weight", None)
        if weight is not None and not any(weight):
            yield Complaint(("weight",), "at least one needs to be above 0")


class CrossEntropyLoss(Loss):
    type: Literal["CrossEntropyLoss"] = "CrossEntropyLoss"
    weight: Weights | None = None
    ignore_index: Integer = -100
    label_smoothing: Probability = 0.0

    target = "class"


class NLLLoss(Loss):
    type: Literal["NLLLoss"] = "NLLLoss"
    weight: Weights | None = None
    ignore_index: Integer = -100

    target = "class"


class MultiMarginLoss(Loss):
    type: Literal["MultiMarginLoss"] = "MultiMarginLoss"
    p: Annotated[Integer, Field(ge=1, le=2)] = 1
    margin: Number = 1.0
    weight: Weights | None = None

    target = "class"


class BCEWithLogitsLoss(Loss):
    type: Literal["BCEWithLogitsLoss"] = "BCEWithLogitsLoss"
    weight: Weights | None = None
    pos_weight: Weights | None = None

    target = "binary"


class BCELoss(Loss):
    type: Literal["BCELoss"] = "BCELoss"
    weight: Weights | None = None

    target = "binary"


class MSELoss(Loss):
    type: Literal["MSELoss"] = "MSELoss"


class L1Loss(Loss):
    type: Literal["L1Loss"] = "L1Loss"


class SmoothL1Loss(Loss):
    type: Literal["SmoothL1Loss"] = "SmoothL1Loss"
    beta: NonNegative = 1.0


class HuberLoss(Loss):
    type: Literal["HuberLoss"] = "HuberLoss"
    delta: Positive = 1.0


class KLDivLoss(Loss):
    type: Literal["KLDivLoss"] = "KLDivLoss"
    log_target: Boolean = False


class PoissonNLLLoss(Loss):
    type: Literal["PoissonNLLLoss"] = "PoissonNLLLoss"
    log_input: Boolean = True
    full: Boolean = False
    eps: Positive = 1e-8


class SoftMarginLoss(Loss):
    type: Literal["SoftMarginLoss"] = "SoftMarginLoss"


class MultiLabelMarginLoss(Loss):
    """A target is as wide as the output: the sample's classes in any order, and -1 from where there are no more."""

    type: Literal["MultiLabelMarginLoss"] = "MultiLabelMarginLoss"

    target = "labels"


class MultiLabelSoftMarginLoss(Loss):
    type: Literal["MultiLabelSoftMarginLoss"] = "MultiLabelSoftMarginLoss"
    weight: Weights | None = None


class HingeEmbeddingLoss(Loss):
    type: Literal["HingeEmbeddingLoss"] = "HingeEmbeddingLoss"
    margin: Number = 1.0


LOSSES = Table("loss")
LOSSES.add(
    CrossEntropyLoss,
    NLLLoss,
    MultiMarginLoss,
    BCEWithLogitsLoss,
    BCELoss,
    MSELoss,
    L1Loss,
    SmoothL1Loss,
    HuberLoss,
    KLDivLoss,
    PoissonNLLLoss,
    SoftMarginLoss,
    MultiLabelMarginLoss,
    MultiLabelSoftMarginLoss,
    HingeEmbeddingLoss,
)
