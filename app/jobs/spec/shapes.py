"""torch.nn's layers that only move or repeat what is there: shuffles, upsampling, folds, paddings."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from app.jobs.spec.activations import Layer
from app.jobs.spec.base import (
    Boolean,
    Complaint,
    Integer,
    Number,
    Positive,
    Size,
    shape_of,
)
from app.jobs.spec.sizes import Pads, Sizes

Pad = Annotated[Integer, Field(ge=-(2**31), le=2**31 - 1)]
Scale = Annotated[
    Annotated[Positive, Tag("one")] | Annotated[list[Positive], Field(min_length=1, max_length=3), Tag("list")],
    Discriminator(shape_of),
]


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
    scale_factor: Scale | None = None
    mode: Literal["nearest", "linear", "bilinear", "bicubic", "trilinear"] = "nearest"
    align_corners: Boolean | None = None

    def rules(self) -> Iterator[Complaint]:
        if (self.size is None) == (self.scale_factor is None):
            yield Complaint(("size",), "give either size or scale_factor")
        if self.mode == "nearest" and self.align_corners is not None:
            yield Complaint(("align_corners",), "has no meaning with mode nearest")


class _Upsampling(Layer):
    size: Sizes | None = None
    scale_factor: Scale | None = None

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
    """A padding below 0 cuts off."""

    padding: Annotated[
        Annotated[Pad, Tag("one")] | Annotated[list[Pad], Field(min_length=1, max_length=6), Tag("list")],
        Discriminator(shape_of),
    ]

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


SHAPES: tuple[type[Layer], ...] = (
    PixelShuffle,
    PixelUnshuffle,
    ChannelShuffle,
    Upsample,
    UpsamplingNearest2d,
    UpsamplingBilinear2d,
    Unfold,
    Fold,
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
)
