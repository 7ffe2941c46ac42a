"""torch.nn's layers as data; sizes that follow from the layer before (`in_features`, …) may be left out."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from app.jobs.spec.activations import ACTIVATIONS, Layer
from app.jobs.spec.base import (
    Boolean,
    Complaint,
    Integer,
    Positive,
    Probability,
    Size,
    Table,
)
from app.jobs.spec.convolutions import CONVOLUTIONS
from app.jobs.spec.normalization import NORMALIZATIONS
from app.jobs.spec.pooling import POOLINGS
from app.jobs.spec.sequences import SEQUENCES, SizeOrRest
from app.jobs.spec.shapes import SHAPES


class Identity(Layer):
    type: Literal["Identity"] = "Identity"


class Linear(Layer):
    type: Literal["Linear"] = "Linear"
    in_features: Size | None = None
    out_features: Size | None = None
    bias: Boolean = True


class Flatten(Layer):
    type: Literal["Flatten"] = "Flatten"
    start_dim: Integer = 1
    end_dim: Integer = -1


class Unflatten(Layer):
    type: Literal["Unflatten"] = "Unflatten"
    dim: Integer
    unflattened_size: Annotated[list[SizeOrRest], Field(min_length=1, max_length=8)]

    def rules(self) -> Iterator[Complaint]:
        if self.unflattened_size.count(-1) > 1 or 0 in self.unflattened_size:
            yield Complaint(("unflattened_size",), "sizes are above 0, and one may be -1")


class _Dropout(Layer):
    p: Probability = 0.5
    inplace: Boolean = False


class Dropout(_Dropout):
    type: Literal["Dropout"] = "Dropout"


class Dropout1d(_Dropout):
    type: Literal["Dropout1d"] = "Dropout1d"


class Dropout2d(_Dropout):
    type: Literal["Dropout2d"] = "Dropout2d"


class Dropout3d(_Dropout):
    type: Literal["Dropout3d"] = "Dropout3d"


class AlphaDropout(_Dropout):
    type: Literal["AlphaDropout"] = "AlphaDropout"


class FeatureAlphaDropout(_Dropout):
    type: Literal["FeatureAlphaDropout"] = "FeatureAlphaDropout"


class _Embedding(Layer):
    num_embeddings: Size | None = None
    embedding_dim: Size | None = None
    padding_idx: Integer | None = None
    max_norm: Positive | None = None
    norm_type: Positive = 2.0
    scale_grad_by_freq: Boolean = False
    sparse: Boolean = False

    def rules(self) -> Iterator[Complaint]:
        if self.sparse and self.scale_grad_by_freq:
            yield Complaint(("scale_grad_by_freq",), "cannot be true with sparse")


class Embedding(_Embedding):
    type: Literal["Embedding"] = "Embedding"


class EmbeddingBag(_Embedding):
    type: Literal["EmbeddingBag"] = "EmbeddingBag"
    mode: Literal["sum", "mean", "max"] = "mean"

    def rules(self) -> Iterator[Complaint]:
        yield from super().rules()
        if self.mode == "max" and self.sparse:
            yield Complaint(("sparse",), "cannot be true with mode max")
        if self.mode == "max" and self.scale_grad_by_freq:
            yield Complaint(("scale_grad_by_freq",), "cannot be true with mode max")


KEEPS_VALUES = {"Identity", "Flatten", "Unflatten", "Reshape", "Permute", "LastStep"}
"""Layers that change the shape alone."""
LAYERS = Table("layer")
LAYERS.add(
    Identity,
    Linear,
    Flatten,
    Unflatten,
    Dropout,
    Dropout1d,
    Dropout2d,
    Dropout3d,
    AlphaDropout,
    FeatureAlphaDropout,
    Embedding,
    EmbeddingBag,
    *CONVOLUTIONS,
    *POOLINGS,
    *NORMALIZATIONS,
    *SHAPES,
    *SEQUENCES,
    *ACTIVATIONS,
)
