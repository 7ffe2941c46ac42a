"""torch.nn's layers as data; sizes that follow from the layer before (`in_features`, …) may be left out."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from app.jobs.spec.activations import ACTIVATIONS, Layer
from app.jobs.spec.base import (
    Boolean,
    Complaint,
    Index,
    Integer,
    Number,
    Positive,
    Probability,
    Size,
    Table,
    shape_of,
)
from app.jobs.spec.sequences import SEQUENCES

Sizes = Annotated[
    Annotated[Size, Tag("one")] | Annotated[list[Size], Field(min_length=1, max_length=3), Tag("list")],
    Discriminator(shape_of),
]
Pads = Annotated[
    Annotated[Index, Tag("one")] | Annotated[list[Index], Field(min_length=1, max_length=6), Tag("list")],
    Discriminator(shape_of),
]
PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]


def _pads_or_word(value: Any) -> str:
    return "word" if isinstance(value, str) else shape_of(value)


ConvPadding = Annotated[
    Annotated[Literal["valid", "same"], Tag("word")]
    | Annotated[Index, Tag("one")]
    | Annotated[list[Index], Field(min_length=1, max_length=3), Tag("list")],
    Discriminator(_pads_or_word),
]


class _Spatial(Layer):
    """Checks that a list of sizes has as many entries as the layer has dimensions."""

    def rules(self) -> Iterator[Complaint]:
        dimensions = int(self.type[-2]) if self.type[-1] == "d" else None
        for key in ("kernel_size", "stride", "padding", "dilation", "output_padding", "output_size"):
            value = getattr(self, key, None)
            if isinstance(value, list) and dimensions is not None and len(value) != dimensions:
                yield Complaint((key,), f"needs one number or {dimensions}")


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
    unflattened_size: Annotated[list[Size], Field(min_length=1, max_length=8)]


# --- convolutions


class _Conv(_Spatial):
    in_channels: Size | None = None
    out_channels: Size | None = None
    kernel_size: Sizes
    stride: Sizes = 1
    padding: ConvPadding = 0
    dilation: Sizes = 1
    groups: Size = 1
    bias: Boolean = True
    padding_mode: PaddingMode = "zeros"

    def rules(self) -> Iterator[Complaint]:
        yield from super().rules()
        if self.out_channels is not None and self.out_channels % self.groups:
            yield Complaint(("groups",), f"must divide out_channels ({self.out_channels})")
        if self.in_channels is not None and self.in_channels % self.groups:
            yield Complaint(("groups",), f"must divide in_channels ({self.in_channels})")
        strides = self.stride if isinstance(self.stride, list) else [self.stride]
        if self.padding == "same" and any(stride != 1 for stride in strides):
            yield Complaint(("padding",), "'same' needs a stride of 1")


class Conv1d(_Conv):
    type: Literal["Conv1d"] = "Conv1d"


class Conv2d(_Conv):
    type: Literal["Conv2d"] = "Conv2d"


class Conv3d(_Conv):
    type: Literal["Conv3d"] = "Conv3d"


class _ConvTranspose(_Spatial):
    in_channels: Size | None = None
    out_channels: Size
    kernel_size: Sizes
    stride: Sizes = 1
    padding: Pads = 0
    output_padding: Pads = 0
    groups: Size = 1
    bias: Boolean = True
    dilation: Sizes = 1
    padding_mode: Literal["zeros"] = "zeros"


class ConvTranspose1d(_ConvTranspose):
    type: Literal["ConvTranspose1d"] = "ConvTranspose1d"


class ConvTranspose2d(_ConvTranspose):
    type: Literal["ConvTranspose2d"] = "ConvTranspose2d"


class ConvTranspose3d(_ConvTranspose):
    type: Literal["ConvTranspose3d"] = "ConvTranspose3d"


# --- pooling


class _MaxPool(_Spatial):
    kernel_size: Sizes
    stride: Sizes | None = None
    padding: Pads = 0
    dilation: Sizes = 1
    ceil_mode: Boolean = False


class MaxPool1d(_MaxPool):
    type: Literal["MaxPool1d"] = "MaxPool1d"


class MaxPool2d(_MaxPool):
    type: Literal["MaxPool2d"] = "MaxPool2d"


class MaxPool3d(_MaxPool):
    type: Literal["MaxPool3d"] = "MaxPool3d"


class AvgPool1d(_Spatial):
    type: Literal["AvgPool1d"] = "AvgPool1d"
    kernel_size: Sizes
    stride: Sizes | None = None
    padding: Pads = 0
    ceil_mode: Boolean = False
    count_include_pad: Boolean = True


class _AvgPool(AvgPool1d):
    type: Any
    divisor_override: Size | None = None


class AvgPool2d(_AvgPool):
    type: Literal["AvgPool2d"] = "AvgPool2d"


class AvgPool3d(_AvgPool):
    type: Literal["AvgPool3d"] = "AvgPool3d"


class LPPool1d(_Spatial):
    type: Literal["LPPool1d"] = "LPPool1d"
    norm_type: Positive
    kernel_size: Sizes
    stride: Sizes | None = None
    ceil_mode: Boolean = False


class LPPool2d(_Spatial):
    type: Literal["LPPool2d"] = "LPPool2d"
    norm_type: Positive
    kernel_size: Sizes
    stride: Sizes | None = None
    ceil_mode: Boolean = False


class LPPool3d(_Spatial):
    type: Literal["LPPool3d"] = "LPPool3d"
    norm_type: Positive
    kernel_size: Sizes
    stride: Sizes | None = None
    ceil_mode: Boolean = False


class _FractionalMaxPool(_Spatial):
    kernel_size: Sizes
    output_size: Sizes | None = None
    output_ratio: Annotated[Number, Field(gt=0, lt=1)] | None = None

    def rules(self) -> Iterator[Complaint]:
        yield from super().rules()
        if (self.output_size is None) == (self.output_ratio is None):
            yield Complaint(("output_size",), "give either output_size or output_ratio")


class FractionalMaxPool2d(_FractionalMaxPool):
    type: Literal["FractionalMaxPool2d"] = "FractionalMaxPool2d"


class FractionalMaxPool3d(_FractionalMaxPool):
    type: Literal["FractionalMaxPool3d"] = "FractionalMaxPool3d"


class _AdaptivePool(_Spatial):
    output_size: Sizes


class AdaptiveAvgPool1d(_AdaptivePool):
    type: Literal["AdaptiveAvgPool1d"] = "AdaptiveAvgPool1d"


class AdaptiveAvgPool2d(_AdaptivePool):
    type: Literal["AdaptiveAvgPool2d"] = "AdaptiveAvgPool2d"


class AdaptiveAvgPool3d(_AdaptivePool):
    type: Literal["AdaptiveAvgPool3d"] = "AdaptiveAvgPool3d"


class AdaptiveMaxPool1d(_AdaptivePool):
    type: Literal["AdaptiveMaxPool1d"] = "AdaptiveMaxPool1d"


class AdaptiveMaxPool2d(_AdaptivePool):
    type: Literal["AdaptiveMaxPool2d"] = "AdaptiveMaxPool2d"


class AdaptiveMaxPool3d(_AdaptivePool):
    type: Literal["AdaptiveMaxPool3d"] = "AdaptiveMaxPool3d"


# --- normalisation


class _BatchNorm(Layer):
    num_features: Size | None = None
    eps: Positive = 1e-5
    momentum: Probability | None = 0.1
    affine: Boolean = True
    track_running_stats: Boolean = True
    bias: Boolean = True


class BatchNorm1d(_BatchNorm):
    type: Literal["BatchNorm1d"] = "BatchNorm1d"


class BatchNorm2d(_BatchNorm):
    type: Literal["BatchNorm2d"] = "BatchNorm2d"


class BatchNorm3d(_BatchNorm):
    type: Literal["BatchNorm3d"] = "BatchNorm3d"


class _InstanceNorm(Layer):
    num_features: Size | None = None
    eps: Positive = 1e-5
    momentum: Probability = 0.1
    affine: Boolean = False
    track_running_stats: Boolean = False
    bias: Boolean = True


class InstanceNorm1d(_InstanceNorm):
    type: Literal["InstanceNorm1d"] = "InstanceNorm1d"


class InstanceNorm2d(_InstanceNorm):
    type: Literal["InstanceNorm2d"] = "InstanceNorm2d"


class InstanceNorm3d(_InstanceNorm):
    type: Literal["InstanceNorm3d"] = "InstanceNorm3d"


class GroupNorm(Layer):
    type: Literal["GroupNorm"] = "GroupNorm"
    num_groups: Size
    num_channels: Size | None = None
    eps: Positive = 1e-5
    affine: Boolean = True
    bias: Boolean = True

    def rules(self) -> Iterator[Complaint]:
        if self.num_channels is not None and self.num_channels % self.num_groups:
            yield Complaint(("num_groups",), f"must divide num_channels ({self.num_channels})")


NormalizedShape = Annotated[
    Annotated[Size, Tag("one")] | Annotated[list[Size], Field(min_length=1, max_length=8), Tag("list")],
    Discriminator(shape_of),
]


class LayerNorm(Layer):
    type: Literal["LayerNorm"] = "LayerNorm"
    normalized_shape: NormalizedShape | None = None
    eps: Positive = 1e-5
    elementwise_affine: Boolean = True
    bias: Boolean = True


class RMSNorm(Layer):
    type: Literal["RMSNorm"] = "RMSNorm"
    normalized_shape: NormalizedShape | None = None
    eps: Positive | None = None
    elementwise_affine: Boolean = True


class LocalResponseNorm(Layer):
    type: Literal["LocalResponseNorm"] = "LocalResponseNorm"
    size: Size
    alpha: Number = 1e-4
    beta: Number = 0.75
    k: Number = 1.0


# --- dropout


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


# --- embeddings


class _Embedding(Layer):
    num_embeddings: Size | None = None
    embedding_dim: Size | None = None
    padding_idx: Integer | None = None
    max_norm: Positive | None = None
    norm_type: Positive = 2.0
    scale_grad_by_freq: Boolean = False
    sparse: Boolean = False


class Embedding(_Embedding):
    type: Literal["Embedding"] = "Embedding"


class EmbeddingBag(_Embedding):
    type: Literal["EmbeddingBag"] = "EmbeddingBag"
    mode: Literal["sum", "mean", "max"] = "mean"

    def rules(self) -> Iterator[Complaint]:
        if self.mode == "max" and self.sparse:
            yield Complaint(("sparse",), "cannot be true with mode max")
        if self.mode == "max" and self.scale_grad_by_freq:
            yield Complaint(("scale_grad_by_freq",), "cannot be true with mode max")


# --- shapes of images


class PixelShuffle(Layer):
    type: Literal["PixelShuffle"] = "PixelShuffle"
    upscale_factor: Size


class PixelUnshuffle(Layer):
    type: Literal["PixelUnshuffle"] = "PixelUnshuffle"
    downscale_factor: Size


class ChannelShuffle(Layer):
    type: Literal["ChannelShuffle"] = "ChannelShuffle"
    groups: Size


class Upsample(Layer):
    type: Literal["Upsample"] = "Upsample"
    size: Sizes | None = None
    scale_factor: Positive | None = None
    mode: Literal["nearest", "linear", "bilinear", "bicubic", "trilinear"] = "nearest"
    align_corners: Boolean | None = None

    def rules(self) -> Iterator[Complaint]:
        if (self.size is None) == (self.scale_factor is None):
            yield Complaint(("size",), "give either size or scale_factor")
        if self.mode == "nearest" and self.align_corners is not None:
            yield Complaint(("align_corners",), "has no meaning with mode nearest")


class _Upsampling(Layer):
    size: Sizes | None = None
    scale_factor: Positive | None = None

    def rules(self) -> Iterator[Complaint]:
        if (self.size is None) == (self.scale_factor is None):
            yield Complaint(("size",), "give either size or scale_factor")


class UpsamplingNearest2d(_Upsampling):
    type: Literal["UpsamplingNearest2d"] = "UpsamplingNearest2d"


class UpsamplingBilinear2d(_Upsampling):
    type: Literal["UpsamplingBilinear2d"] = "UpsamplingBilinear2d"


class Unfold(Layer):
    type: Literal["Unfold"] = "Unfold"
    kernel_size: Sizes
    dilation: Sizes = 1
    padding: Pads = 0
    stride: Sizes = 1


class Fold(Layer):
    type: Literal["Fold"] = "Fold"
    output_size: Sizes
    kernel_size: Sizes
    dilation: Sizes = 1
    padding: Pads = 0
    stride: Sizes = 1


class _Pad(Layer):
    padding: Pads

    def rules(self) -> Iterator[Complaint]:
        wanted = 2 * int(self.type[-2])
        if isinstance(self.padding, list) and len(self.padding) != wanted:
            yield Complaint(("padding",), f"needs one number or {wanted}")


class ZeroPad1d(_Pad):
    type: Literal["ZeroPad1d"] = "ZeroPad1d"


class ZeroPad2d(_Pad):
    type: Literal["ZeroPad2d"] = "ZeroPad2d"


class ZeroPad3d(_Pad):
    type: Literal["ZeroPad3d"] = "ZeroPad3d"


class ReflectionPad1d(_Pad):
    type: Literal["ReflectionPad1d"] = "ReflectionPad1d"


class ReflectionPad2d(_Pad):
    type: Literal["ReflectionPad2d"] = "ReflectionPad2d"


class ReflectionPad3d(_Pad):
    type: Literal["ReflectionPad3d"] = "ReflectionPad3d"


class ReplicationPad1d(_Pad):
    type: Literal["ReplicationPad1d"] = "ReplicationPad1d"


class ReplicationPad2d(_Pad):
    type: Literal["ReplicationPad2d"] = "ReplicationPad2d"


class ReplicationPad3d(_Pad):
    type: Literal["ReplicationPad3d"] = "ReplicationPad3d"


class CircularPad1d(_Pad):
    type: Literal["CircularPad1d"] = "CircularPad1d"


class CircularPad2d(_Pad):
    type: Literal["CircularPad2d"] = "CircularPad2d"


class CircularPad3d(_Pad):
    type: Literal["CircularPad3d"] = "CircularPad3d"


class _ConstantPad(_Pad):
    value: Number


class ConstantPad1d(_ConstantPad):
    type: Literal["ConstantPad1d"] = "ConstantPad1d"


class ConstantPad2d(_ConstantPad):
    type: Literal["ConstantPad2d"] = "ConstantPad2d"


class ConstantPad3d(_ConstantPad):
    type: Literal["ConstantPad3d"] = "ConstantPad3d"


LAYERS = Table("layer")
LAYERS.add(
    Identity,
    Linear,
    Flatten,
    Unflatten,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    LPPool1d,
    LPPool2d,
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    GroupNorm,
    LayerNorm,
    RMSNorm,
    LocalResponseNorm,
    Dropout,
    Dropout1d,
    Dropout2d,
    Dropout3d,
    AlphaDropout,
    FeatureAlphaDropout,
    Embedding,
    EmbeddingBag,
    PixelShuffle,
    PixelUnshuffle,
    ChannelShuffle,
    Upsample,
    ZeroPad1d,
    ZeroPad2d,
    ZeroPad3d,
    ReflectionPad1d,
    ReflectionPad2d,
    ReflectionPad3d,
    ReplicationPad1d,
    ReplicationPad2d,
    ReplicationPad3d,
    CircularPad1d,
    CircularPad2d,
    CircularPad3d,
    ConstantPad1d,
    ConstantPad2d,
    ConstantPad3d,
    LPPool3d,
    FractionalMaxPool2d,
    FractionalMaxPool3d,
    UpsamplingNearest2d,
    UpsamplingBilinear2d,
    Unfold,
    Fold,
    *SEQUENCES,
    *ACTIVATIONS,
)
