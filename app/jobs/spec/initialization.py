"""torch.nn.init as data: each entry fills the parameters that its pattern takes."""

from collections.abc import Iterator
from typing import Literal

from app.jobs.spec.base import Complaint, Component, Count, NonNegative, Number, Positive, Probability, Table
from app.jobs.spec.patterns import Pattern

Mode = Literal["fan_in", "fan_out"]
Nonlinearity = Literal["linear", "conv1d", "conv2d", "conv3d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]


class Initializer(Component):
    params: Pattern


class Uniform(Initializer):
    type: Literal["uniform_"] = "uniform_"
    a: Number = 0.0
    b: Number = 1.0

    def rules(self) -> Iterator[Complaint]:
        if self.a > self.b:
            yield Complaint(("b",), "must not be below a")


class Normal(Initializer):
    type: Literal["normal_"] = "normal_"
    mean: Number = 0.0
    std: NonNegative = 1.0


class TruncNormal(Initializer):
    type: Literal["trunc_normal_"] = "trunc_normal_"
    mean: Number = 0.0
    std: Positive = 1.0
    a: Number = -2.0
    b: Number = 2.0

    def rules(self) -> Iterator[Complaint]:
        if self.a > self.b:
            yield Complaint(("b",), "must not be below a")


class Constant(Initializer):
    type: Literal["constant_"] = "constant_"
    val: Number


class Ones(Initializer):
    type: Literal["ones_"] = "ones_"


class Zeros(Initializer):
    type: Literal["zeros_"] = "zeros_"


class Eye(Initializer):
    type: Literal["eye_"] = "eye_"


class Dirac(Initializer):
    type: Literal["dirac_"] = "dirac_"
    groups: Count = 1


class XavierUniform(Initializer):
    type: Literal["xavier_uniform_"] = "xavier_uniform_"
    gain: NonNegative = 1.0


class XavierNormal(Initializer):
    type: Literal["xavier_normal_"] = "xavier_normal_"
    gain: NonNegative = 1.0


class KaimingUniform(Initializer):
    type: Literal["kaiming_uniform_"] = "kaiming_uniform_"
    a: Number = 0.0
    mode: Mode = "fan_in"
    nonlinearity: Nonlinearity = "leaky_relu"


class KaimingNormal(Initializer):
    type: Literal["kaiming_normal_"] = "kaiming_normal_"
    a: Number = 0.0
    mode: Mode = "fan_in"
    nonlinearity: Nonlinearity = "leaky_relu"


class Orthogonal(Initializer):
    type: Literal["orthogonal_"] = "orthogonal_"
    gain: Number = 1.0


class Sparse(Initializer):
    type: Literal["sparse_"] = "sparse_"
    sparsity: Probability
    std: NonNegative = 0.01


INITIALIZERS = Table("initializer")
INITIALIZERS.add(
    Uniform,
    Normal,
    TruncNormal,
    Constant,
    Ones,
    Zeros,
    Eye,
    Dirac,
    XavierUniform,
    XavierNormal,
    KaimingUniform,
    KaimingNormal,
    Orthogonal,
    Sparse,
)
