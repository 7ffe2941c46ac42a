"""torch.nn's normalisations as data."""

from collections.abc import Iterator
from typing import Literal

from app.jobs.spec.activations import Layer
from app.jobs.spec.base import (
    Boolean,
    Complaint,
    NonNegative,
    Number,
    Positive,
    Probability,
    Size,
)
from app.jobs.spec.sizes import NormalizedShape


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
    eps: NonNegative = 1e-5
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
    eps: NonNegative = 1e-5
    affine: Boolean = True
    bias: Boolean = True

    def rules(self) -> Iterator[Complaint]:
        if self.num_channels is not None and self.num_channels % self.num_groups:
            yield Complaint(("num_groups",), f"must divide num_channels ({self.num_channels})")


class LayerNorm(Layer):
    type: Literal["LayerNorm"] = "LayerNorm"
    normalized_shape: NormalizedShape | None = None
    eps: NonNegative = 1e-5
    elementwise_affine: Boolean = True
    bias: Boolean = True


class RMSNorm(Layer):
    type: Literal["RMSNorm"] = "RMSNorm"
    normalized_shape: NormalizedShape | None = None
    eps: NonNegative | None = None
    elementwise_affine: Boolean = True


class LocalResponseNorm(Layer):
    type: Literal["LocalResponseNorm"] = "LocalResponseNorm"
    size: Size
    alpha: Number = 1e-4
    beta: Number = 0.75
    k: Number = 1.0


NORMALIZATIONS: tuple[type[Layer], ...] = (
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
)
