"""The layers a Sequential or a Graph may name: torch.nn's own classes and a few shapes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def on_any_processor(lstm: Callable[[Any], Any], x: Any) -> Any:
    """In float32 where autocast asks for a narrower kernel that oneDNN does not have for this processor."""
    try:
        return lstm(x)
    except RuntimeError as error:
        if "primitive descriptor" not in str(error):
            raise
    with torch.autocast("cpu", enabled=False):
        return lstm(x.float())


class LSTM(nn.LSTM):
    """torch's, returning the outputs alone."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        outputs: Tensor = on_any_processor(super().forward, x)[0]
        return outputs


class GRU(nn.GRU):
    """torch's, returning the outputs alone."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        outputs: Tensor = super().forward(x)[0]
        return outputs


class RNN(nn.RNN):
    """torch's, returning the outputs alone."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        outputs: Tensor = super().forward(x)[0]
        return outputs


class MultiheadAttention(nn.MultiheadAttention):
    """torch's, as self-attention: query, key and value are the input."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        attended: Tensor = super().forward(x, x, x, need_weights=False)[0]
        return attended


class RReLU(nn.RReLU):
    """torch's, in float32 on a CPU, which has no float16 kernel of it."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float() if x.device.type == "cpu" else x)


class Reshape(nn.Module):
    """[B, ...] -> [B, *shape]; one size may be -1."""

    def __init__(self, shape: list[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], *self.shape)


class Permute(nn.Module):
    """Dimensions in the order `dims`, the batch's 0 included."""

    def __init__(self, dims: list[int]) -> None:
        super().__init__()
        self.dims = tuple(dims)

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.dims)


class MeanPool(nn.Module):
    """The mean over a dimension, 1 (time) where none is given; a list takes several."""

    def __init__(self, dim: int | list[int] = 1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(self.dim)


class LastStep(nn.Module):
    """[B, T, F] -> [B, F]: the last step."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, -1]


class Add(nn.Module):
    """The sum of two or more inputs."""

    def forward(self, *inputs: Tensor) -> Tensor:
        total = inputs[0]
        for other in inputs[1:]:
            total = total + other
        return total


class Mul(nn.Module):
    """The product of two or more inputs."""

    def forward(self, *inputs: Tensor) -> Tensor:
        product = inputs[0]
        for other in inputs[1:]:
            product = product * other
        return product


class Concat(nn.Module):
    """Inputs joined along `dim`, 1 where none is given."""

    def __init__(self, dim: int = 1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, *inputs: Tensor) -> Tensor:
        return torch.cat(inputs, self.dim)


OWN = (LSTM, GRU, RNN, MultiheadAttention, RReLU, Reshape, Permute, MeanPool, LastStep)
MERGES: dict[str, type[nn.Module]] = {"Add": Add, "Mul": Mul, "Concat": Concat}  # several inputs: in a Graph only

FROM_TORCH = [
    "Linear",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "Embedding",
    "EmbeddingBag",
    "TransformerEncoderLayer",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "GroupNorm",
    "RMSNorm",
    "LocalResponseNorm",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "AlphaDropout",
    "FeatureAlphaDropout",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "ELU",
    "CELU",
    "SELU",
    "GELU",
    "GLU",
    "ReLU",
    "ReLU6",
    "LeakyReLU",
    "PReLU",
    "SiLU",
    "Mish",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LogSigmoid",
    "Sigmoid",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
    "Softmin",
    "Softmax",
    "Softmax2d",
    "LogSoftmax",
    "Flatten",
    "Unflatten",
    "Identity",
    "Fold",
    "Unfold",
    "PixelShuffle",
    "PixelUnshuffle",
    "ChannelShuffle",
    "Upsample",
    "UpsamplingNearest2d",
    "UpsamplingBilinear2d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
]

LAYERS: dict[str, type[nn.Module]] = {
    **{name: getattr(nn, name) for name in FROM_TORCH},
    **{layer.__name__: layer for layer in OWN},
}

# Dimensions of a batch, where torch takes one less for a single sample and would mix those of a batch.
BATCHED: dict[str, int] = {
    **{name: int(name[-2]) + 2 for name in LAYERS if name.startswith("Conv")},
    **dict.fromkeys(("LSTM", "GRU", "RNN", "MultiheadAttention", "TransformerEncoderLayer"), 3),
}
# What may be left out and is read off the layer's input: argument, dimension of the input.
INPUT_SIZES: dict[str, tuple[str, int]] = {
    "Linear": ("in_features", -1),
    **{name: ("in_channels", 1) for name in LAYERS if name.startswith("Conv")},
    **{name: ("num_features", 1) for name in LAYERS if name.startswith(("BatchNorm", "InstanceNorm"))},
    **dict.fromkeys(("LSTM", "GRU", "RNN"), ("input_size", -1)),
    "GroupNorm": ("num_channels", 1),
    "LayerNorm": ("normalized_shape", -1),
    "RMSNorm": ("normalized_shape", -1),
    "TransformerEncoderLayer": ("d_model", -1),
    "MultiheadAttention": ("embed_dim", -1),
}
# The size that is the model's output where the last such layer leaves it out.
OUTPUT_SIZES = {
    "Linear": "out_features",
    "Conv1d": "out_channels",
    "Conv2d": "out_channels",
    "Conv3d": "out_channels",
    "ConvTranspose1d": "out_channels",
    "ConvTranspose2d": "out_channels",
    "ConvTranspose3d": "out_channels",
    "Embedding": "embedding_dim",
    "EmbeddingBag": "embedding_dim",
}

NOT_DETERMINISTIC_ON_CUDA = {
    "AvgPool3d",
    "LPPool3d",  # by AvgPool3d
    "AdaptiveMaxPool1d",  # by AdaptiveMaxPool2d
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",  # adds atomically where windows overlap, and torch does not say so
    "FractionalMaxPool2d",
    "FractionalMaxPool3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "UpsamplingBilinear2d",
}


# The container's; and in place a first layer would change the data itself, another what its backward needs: the values
# are the same without.
NOT_ARGUMENTS = ("type", "name", "inputs", "inplace")
NORMS = ("BatchNorm", "InstanceNorm", "GroupNorm")
"""Their `bias` is newer than torch 2.11; taken away afterwards it is the same, for nothing is drawn for it."""


def construct(config: dict[str, Any]) -> nn.Module:
    """One layer from {"type", arguments}. Raises what torch raises."""
    arguments = {key: value for key, value in config.items() if key not in NOT_ARGUMENTS}
    for key, value in arguments.items():
        if isinstance(value, list) and key not in ("dim", "dims"):
            arguments[key] = tuple(value)
    kind = config["type"]
    bias = arguments.pop("bias", True) if kind.startswith(NORMS) else True
    layer = (MERGES.get(kind) or LAYERS[kind])(**arguments)
    if not bias:
        layer.register_parameter("bias", None)
    return layer


def nondeterministic_on_cuda(config: dict[str, Any]) -> bool:
    """Whether a layer has no deterministic backward on CUDA (torch 2.13's list)."""
    kind: str = config["type"]
    if kind.startswith("AdaptiveAvgPool"):
        size = config.get("output_size")
        return any(length != 1 for length in (size if isinstance(size, list) else [size]))  # size 1 is a mean
    if kind == "Upsample":
        return bool(config.get("mode", "nearest") != "nearest")
    if kind == "EmbeddingBag":
        return bool(config.get("mode") == "max")
    return kind in NOT_DETERMINISTIC_ON_CUDA
