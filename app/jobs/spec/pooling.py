"""torch.nn's poolings as data."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from app.jobs.spec.activations import Layer
from app.jobs.spec.base import (
    Boolean,
    Complaint,
    Number,
    Positive,
    Size,
)
from app.jobs.spec.sizes import Pads, Sizes, SizesOrNone, Spatial


class _MaxPool(Spatial):
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


class AvgPool1d(Spatial):
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


class LPPool1d(Spatial):
    type: Literal["LPPool1d"] = "LPPool1d"
    norm_type: Positive
    kernel_size: Sizes
    stride: Sizes | None = None
    ceil_mode: Boolean = False


class LPPool2d(Spatial):
    type: Literal["LPPool2d"] = "LPPool2d"
    norm_type: Positive
    kernel_size: Sizes
    stride: Sizes | None = None
    ceil_mode: Boolean = False


class LPPool3d(Spatial):
    type: Literal["LPPool3d"] = "LPPool3d"
    norm_type: Positive
    kernel_size: Sizes
    stride: Sizes | None = None
    ceil_mode: Boolean = False


class _FractionalMaxPool(Spatial):
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


class _AdaptivePool(Spatial):
    output_size: Sizes


class AdaptiveAvgPool1d(_AdaptivePool):
    type: Literal["AdaptiveAvgPool1d"] = "AdaptiveAvgPool1d"


class _AdaptivePoolOrNot(_AdaptivePool):
    """None keeps a dimension's size."""

    type: Any
    output_size: SizesOrNone  # type: ignore[assignment]


class AdaptiveAvgPool2d(_AdaptivePoolOrNot):
    type: Literal["AdaptiveAvgPool2d"] = "AdaptiveAvgPool2d"


class AdaptiveAvgPool3d(_AdaptivePoolOrNot):
    type: Literal["AdaptiveAvgPool3d"] = "AdaptiveAvgPool3d"


class AdaptiveMaxPool1d(_AdaptivePool):
    type: Literal["AdaptiveMaxPool1d"] = "AdaptiveMaxPool1d"


class AdaptiveMaxPool2d(_AdaptivePoolOrNot):
    type: Literal["AdaptiveMaxPool2d"] = "AdaptiveMaxPool2d"


class AdaptiveMaxPool3d(_AdaptivePoolOrNot):
    type: Literal["AdaptiveMaxPool3d"] = "AdaptiveMaxPool3d"


POOLINGS: tuple[type[Layer], ...] = (
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    LPPool1d,
    LPPool2d,
    LPPool3d,
    FractionalMaxPool2d,
    FractionalMaxPool3d,
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AdaptiveMaxPool1d,
    AdaptiveMaxPool2d,
    AdaptiveMaxPool3d,
)
