"""Layers over sequences [B, T, F], and those that only change a tensor's shape."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from app.jobs.spec.activations import Layer
from app.jobs.spec.base import Boolean, Complaint, Index, Integer, NonNegative, Probability, Size, shape_of

SizeOrRest = Annotated[Integer, Field(ge=-1, le=2**31 - 1)]


class _Recurrent(Layer):
    """Returns the outputs of the last layer, [B, T, features]."""

    input_size: Size | None = None
    hidden_size: Size
    num_layers: Annotated[Size, Field(le=100)] = 1
    bias: Boolean = True
    batch_first: Boolean = False
    dropout: Probability = 0.0
    bidirectional: Boolean = False


class LSTM(_Recurrent):
    type: Literal["LSTM"] = "LSTM"
    proj_size: Index = 0

    def rules(self) -> Iterator[Complaint]:
        if self.proj_size >= self.hidden_size:
            yield Complaint(("proj_size",), "must be less than hidden_size")


class GRU(_Recurrent):
    type: Literal["GRU"] = "GRU"


class RNN(_Recurrent):
    type: Literal["RNN"] = "RNN"
    nonlinearity: Literal["tanh", "relu"] = "tanh"


class MultiheadAttention(Layer):
    """Self-attention: query, key and value are the input."""

    type: Literal["MultiheadAttention"] = "MultiheadAttention"
    embed_dim: Size | None = None
    num_heads: Size
    dropout: Probability = 0.0
    bias: Boolean = True
    add_bias_kv: Boolean = False
    add_zero_attn: Boolean = False
    batch_first: Boolean = False


class TransformerEncoderLayer(Layer):
    type: Literal["TransformerEncoderLayer"] = "TransformerEncoderLayer"
    d_model: Size | None = None
    nhead: Size
    dim_feedforward: Size = 2048
    dropout: Probability = 0.1
    activation: Literal["relu", "gelu"] = "relu"
    layer_norm_eps: NonNegative = 1e-5
    batch_first: Boolean = False
    norm_first: Boolean = False
    bias: Boolean = True


class Reshape(Layer):
    """[B, ...] to [B, *shape]; one size may be -1."""

    type: Literal["Reshape"] = "Reshape"
    shape: Annotated[list[SizeOrRest], Field(min_length=1, max_length=8)]

    def rules(self) -> Iterator[Complaint]:
        if self.shape.count(-1) > 1 or 0 in self.shape:
            yield Complaint(("shape",), "sizes are above 0, and one may be -1")


class Permute(Layer):
    """Dimensions in the order `dims`, the batch's 0 included."""

    type: Literal["Permute"] = "Permute"
    dims: Annotated[list[Index], Field(min_length=2, max_length=8)]

    def rules(self) -> Iterator[Complaint]:
        if sorted(self.dims) != list(range(len(self.dims))) or self.dims[0] != 0:
            yield Complaint(("dims",), "is 0 (the batch), then each other dimension once")


class MeanPool(Layer):
    """The mean over a dimension: 1, the time, where none is given."""

    type: Literal["MeanPool"] = "MeanPool"
    dim: Annotated[
        Annotated[Integer, Tag("one")] | Annotated[list[Integer], Field(min_length=1, max_length=8), Tag("list")],
        Discriminator(shape_of),
    ] = 1


class LastStep(Layer):
    """[B, T, F] to [B, F]: the last step."""

    type: Literal["LastStep"] = "LastStep"


SEQUENCES: tuple[type[Layer], ...] = (
    LSTM,
    GRU,
    RNN,
    MultiheadAttention,
    TransformerEncoderLayer,
    Reshape,
    Permute,
    MeanPool,
    LastStep,
)
