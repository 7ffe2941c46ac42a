"""Ready-made models, each with all its sizes as arguments; sizes left out are taken from the data."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from app.jobs.spec.activations import ACTIVATIONS, Layer
from app.jobs.spec.base import Boolean, Complaint, Index, Probability, Size, Table, closest
from app.jobs.spec.data import DatasetName
from app.jobs.spec.model import Model

Depth = Annotated[Size, Field(le=1000)]

ACTIVATION_TABLE = Table("activation")
ACTIVATION_TABLE.add(*ACTIVATIONS)
# By name alone, so only what needs no argument (GLU halves its input, Softmax needs a dimension).
_NEEDS_ARGUMENTS = {"Threshold", "GLU", "Softmax", "LogSoftmax", "Softmin", "Softmax2d"}
ACTIVATION_NAMES = [name for name in ACTIVATION_TABLE if name not in _NEEDS_ARGUMENTS]


def _activation_name(name: str) -> str:
    if name not in ACTIVATION_NAMES:
        hint = closest(name, ACTIVATION_NAMES)
        raise PydanticCustomError("activation", "no such activation; {hint}", {"hint": hint})
    return name


# A name, or a layer with its arguments.
Activation = Annotated[
    Annotated[str, AfterValidator(_activation_name), Tag("name")]
    | Annotated[Annotated[Layer, ACTIVATION_TABLE], Tag("object")],
    Discriminator(lambda value: "object" if isinstance(value, dict | Layer) else "name"),
]


class MLP(Model):
    """The Sequential it stands for: flatten; per hidden size Linear, norm, activation, dropout; then Linear."""

    type: Literal["MLP"] = "MLP"
    in_features: Size | None = None
    hidden: Annotated[list[Size], Field(max_length=100)]
    out_features: Size | None = None
    activation: Activation = "ReLU"
    norm: Literal["BatchNorm1d", "LayerNorm", "RMSNorm"] | None = None
    dropout: Probability = 0.0
    bias: Boolean = True

    parameter_names = ("{i}.weight", "{i}.bias")


class CNN(Model):
    """Per channel count Conv2d (same size), norm, activation, MaxPool2d; then as an MLP with `hidden`."""

    type: Literal["CNN"] = "CNN"
    in_channels: Size | None = None
    channels: Annotated[list[Size], Field(min_length=1, max_length=100)]
    kernel_size: Annotated[Size, Field(le=1024)] = 3
    pool: Annotated[Index, Field(le=1024)] = 2
    norm: Literal["BatchNorm2d"] | None = None
    in_features: Size | None = None
    hidden: Annotated[list[Size], Field(max_length=100)] = []
    out_features: Size | None = None
    activation: Activation = "ReLU"
    dropout: Probability = 0.0

    parameter_names = ("{i}.weight", "{i}.bias")


class ResNet(Model):
    """18, 34 or 50 layers; the stem for small images is one 3x3 convolution, ImageNet's 7x7 with pooling."""

    type: Literal["ResNet"] = "ResNet"
    depth: Literal[18, 34, 50]
    stem: Literal["small", "imagenet"] = "small"
    width: Size = 64
    in_channels: Size | None = None
    out_features: Size | None = None

    parameter_names = (
        "stem.conv.weight",
        "stem.bn.{weight,bias}",
        "layer{1-4}.{i}.conv{1-3}.weight",
        "layer{1-4}.{i}.bn{1-3}.{weight,bias}",
        "layer{1-4}.{i}.shortcut.conv.weight",
        "layer{1-4}.{i}.shortcut.bn.{weight,bias}",
        "fc.{weight,bias}",
    )


class LSTMClassifier(Model):
    """Tokens, an embedding, a packed LSTM, its last hidden states, a linear layer; `bucket`: batches of like length.

    `vectors`: a data set of word vectors, which fill the embedding's rows of the words that it knows.
    """

    type: Literal["LSTMClassifier"] = "LSTMClassifier"
    num_embeddings: Size | None = None
    vectors: DatasetName | None = None
    embedding_dim: Size = 100
    hidden_size: Size = 256
    num_layers: Depth = 1
    bidirectional: Boolean = False
    dropout: Probability = 0.0
    padding_idx: Index = 0
    bucket: Boolean = False
    out_features: Size | None = None

    parameter_names = (
        "embedding.weight",
        "lstm.{weight,bias}_{ih,hh}_l{i}",
        "lstm.{weight,bias}_{ih,hh}_l{i}_reverse",
        "fc.{weight,bias}",
    )

    def rules(self) -> Iterator[Complaint]:
        if self.num_embeddings is not None and self.padding_idx >= self.num_embeddings:
            yield Complaint(("padding_idx",), "must be less than num_embeddings")


class TransformerClassifier(Model):
    """Tokens, learned positions, a pre-norm encoder, the mean over what is not padding, a linear layer."""

    type: Literal["TransformerClassifier"] = "TransformerClassifier"
    num_embeddings: Size | None = None
    max_length: Size | None = None
    d_model: Size = 128
    nhead: Size = 4
    num_layers: Depth = 2
    dim_feedforward: Size = 512
    dropout: Probability = 0.1
    activation: Literal["relu", "gelu"] = "gelu"
    padding_idx: Index = 0
    out_features: Size | None = None

    parameter_names = (
        "embedding.weight",
        "position.weight",
        "layers.{i}.self_attn.in_proj_{weight,bias}",
        "layers.{i}.self_attn.out_proj.{weight,bias}",
        "layers.{i}.linear{1-2}.{weight,bias}",
        "layers.{i}.norm{1-2}.{weight,bias}",
        "norm.{weight,bias}",
        "fc.{weight,bias}",
    )

    def rules(self) -> Iterator[Complaint]:
        if self.d_model % self.nhead:
            yield Complaint(("nhead",), f"must divide d_model ({self.d_model})")


class GPT(Model):
    """A causal language model: GPT-2's blocks, the output tied to the embedding."""

    type: Literal["GPT"] = "GPT"
    vocab_size: Size | None = None
    block_size: Size | None = None
    n_layer: Depth = 4
    n_head: Size = 4
    n_embd: Size = 128
    dropout: Probability = 0.0
    bias: Boolean = True

    parameter_names = (
        "transformer.wte.weight",
        "transformer.wpe.weight",
        "transformer.h.{i}.ln_{1-2}.{weight,bias}",
        "transformer.h.{i}.attn.{c_attn,c_proj}.{weight,bias}",
        "transformer.h.{i}.mlp.{c_fc,c_proj}.{weight,bias}",
        "transformer.ln_f.{weight,bias}",
    )

    def rules(self) -> Iterator[Complaint]:
        if self.n_embd % self.n_head:
            yield Complaint(("n_head",), f"must divide n_embd ({self.n_embd})")
