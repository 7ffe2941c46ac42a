"""torch.nn's activations as data."""

from typing import Annotated, Literal

from pydantic import Field

from app.jobs.spec.base import Boolean, Component, Count, Integer, Number, Positive

LayerName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]


class Layer(Component):
    """What all layers share: a name of its own in place of the layer's number."""

    name: LayerName | None = None


class _Inplace(Layer):
    inplace: Boolean = False


class ReLU(_Inplace):
    type: Literal["ReLU"] = "ReLU"


class ReLU6(_Inplace):
    type: Literal["ReLU6"] = "ReLU6"


class SELU(_Inplace):
    type: Literal["SELU"] = "SELU"


class SiLU(_Inplace):
    type: Literal["SiLU"] = "SiLU"


class Mish(_Inplace):
    type: Literal["Mish"] = "Mish"


class Hardsigmoid(_Inplace):
    type: Literal["Hardsigmoid"] = "Hardsigmoid"


class Hardswish(_Inplace):
    type: Literal["Hardswish"] = "Hardswish"


class Sigmoid(Layer):
    type: Literal["Sigmoid"] = "Sigmoid"


class LogSigmoid(Layer):
    type: Literal["LogSigmoid"] = "LogSigmoid"


class Tanh(Layer):
    type: Literal["Tanh"] = "Tanh"


class Softsign(Layer):
    type: Literal["Softsign"] = "Softsign"


class Tanhshrink(Layer):
    type: Literal["Tanhshrink"] = "Tanhshrink"


class Softmax2d(Layer):
    type: Literal["Softmax2d"] = "Softmax2d"


class ELU(_Inplace):
    type: Literal["ELU"] = "ELU"
    alpha: Number = 1.0


class CELU(_Inplace):
    type: Literal["CELU"] = "CELU"
    alpha: Positive = 1.0


class GELU(Layer):
    type: Literal["GELU"] = "GELU"
    approximate: Literal["none", "tanh"] = "none"


class LeakyReLU(_Inplace):
    type: Literal["LeakyReLU"] = "LeakyReLU"
    negative_slope: Number = 0.01


class RReLU(_Inplace):
    type: Literal["RReLU"] = "RReLU"
    lower: Number = 1.0 / 8
    upper: Number = 1.0 / 3


class PReLU(Layer):
    type: Literal["PReLU"] = "PReLU"
    num_parameters: Count = 1
    init: Number = 0.25


class Threshold(_Inplace):
    type: Literal["Threshold"] = "Threshold"
    threshold: Number
    value: Number


class Hardtanh(_Inplace):
    type: Literal["Hardtanh"] = "Hardtanh"
    min_val: Number = -1.0
    max_val: Number = 1.0


class Hardshrink(Layer):
    type: Literal["Hardshrink"] = "Hardshrink"
    lambd: Number = 0.5


class Softshrink(Layer):
    type: Literal["Softshrink"] = "Softshrink"
    lambd: Number = 0.5


class Softplus(Layer):
    type: Literal["Softplus"] = "Softplus"
    beta: Positive = 1.0
    threshold: Number = 20.0


class Softmax(Layer):
    type: Literal["Softmax"] = "Softmax"
    dim: Integer | None = None


class LogSoftmax(Layer):
    type: Literal["LogSoftmax"] = "LogSoftmax"
    dim: Integer | None = None


class Softmin(Layer):
    type: Literal["Softmin"] = "Softmin"
    dim: Integer | None = None


class GLU(Layer):
    type: Literal["GLU"] = "GLU"
    dim: Integer = -1


ACTIVATIONS: tuple[type[Layer], ...] = (
    ReLU,
    ReLU6,
    SELU,
    SiLU,
    Mish,
    Hardsigmoid,
    Hardswish,
    Sigmoid,
    LogSigmoid,
    Tanh,
    Softsign,
    Tanhshrink,
    Softmax2d,
    ELU,
    CELU,
    GELU,
    LeakyReLU,
    RReLU,
    PReLU,
    Threshold,
    Hardtanh,
    Hardshrink,
    Softshrink,
    Softplus,
    Softmax,
    LogSoftmax,
    Softmin,
    GLU,
)
