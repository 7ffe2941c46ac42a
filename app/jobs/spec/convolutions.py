"""torch.nn's convolutions as data."""

from collections.abc import Iterator
from typing import Literal

from app.jobs.spec.activations import Layer
from app.jobs.spec.base import (
    Boolean,
    Complaint,
    Size,
)
from app.jobs.spec.sizes import ConvPadding, PaddingMode, Pads, Sizes, Spatial


class _Conv(Spatial):
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


class _ConvTranspose(Spatial):
    in_channels: Size | None = None
    out_channels: Size | None = None
    kernel_size: Sizes
    stride: Sizes = 1
    padding: Pads = 0
    output_padding: Pads = 0
    groups: Size = 1
    bias: Boolean = True
    dilation: Sizes = 1
    padding_mode: Literal["zeros"] = "zeros"

    def rules(self) -> Iterator[Complaint]:
        yield from super().rules()
        added, strides, dilations = self._each(self.output_padding), self._each(self.stride), self._each(self.dilation)
        if any(more >= max(pair) for more, *pair in zip(added, strides, dilations, strict=False)):
            yield Complaint(("output_padding",), "must be smaller than the stride or the dilation")

    def _each(self, value: int | list[int]) -> list[int]:
        return value if isinstance(value, list) else [value] * int(self.type[-2])


class ConvTranspose1d(_ConvTranspose):
    type: Literal["ConvTranspose1d"] = "ConvTranspose1d"


class ConvTranspose2d(_ConvTranspose):
    type: Literal["ConvTranspose2d"] = "ConvTranspose2d"


class ConvTranspose3d(_ConvTranspose):
    type: Literal["ConvTranspose3d"] = "ConvTranspose3d"


CONVOLUTIONS: tuple[type[Layer], ...] = (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
)
