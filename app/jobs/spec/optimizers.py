"""torch.optim as data: every class with torch's argument names and defaults."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from app.jobs.spec.base import Boolean, Complaint, Count, Index, Momentum, NonNegative, Number, Positive, Table
from app.jobs.spec.optimizer import Optimizer
from app.jobs.spec.update_rule import UpdateRule

Betas = tuple[Momentum, Momentum]


class Adadelta(Optimizer):
    type: Literal["Adadelta"] = "Adadelta"
    lr: NonNegative = 1.0
    rho: Annotated[Number, Field(ge=0, le=1)] = 0.9
    eps: NonNegative = 1e-6
    weight_decay: NonNegative = 0.0
    foreach: Boolean | None = None
    capturable: Boolean = False
    maximize: Boolean = False
    differentiable: Boolean = False


class Adafactor(Optimizer):
    type: Literal["Adafactor"] = "Adafactor"
    lr: NonNegative = 1e-2
    beta2_decay: Annotated[Number, Field(le=0)] = -0.8
    eps: tuple[NonNegative | None, NonNegative] = (None, 1e-3)
    d: Annotated[Number, Field(ge=1)] = 1.0
    weight_decay: NonNegative = 0.0
    foreach: Boolean | None = None
    maximize: Boolean = False


class Adagrad(Optimizer):
    type: Literal["Adagrad"] = "Adagrad"
    lr: NonNegative = 1e-2
    lr_decay: NonNegative = 0.0
    weight_decay: NonNegative = 0.0
    initial_accumulator_value: NonNegative = 0.0
    eps: NonNegative = 1e-10
    foreach: Boolean | None = None
    maximize: Boolean = False
    differentiable: Boolean = False
    fused: Boolean | None = None

    takes_sparse_gradients = True


class Adam(Optimizer):
    type: Literal["Adam"] = "Adam"
    lr: NonNegative = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: NonNegative = 1e-8
    weight_decay: NonNegative = 0.0
    amsgrad: Boolean = False
    foreach: Boolean | None = None
    maximize: Boolean = False
    capturable: Boolean = False
    differentiable: Boolean = False
    fused: Boolean | None = None
    decoupled_weight_decay: Boolean = False


class AdamW(Optimizer):
    type: Literal["AdamW"] = "AdamW"
    lr: NonNegative = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: NonNegative = 1e-8
    weight_decay: NonNegative = 1e-2
    amsgrad: Boolean = False
    maximize: Boolean = False
    foreach: Boolean | None = None
    capturable: Boolean = False
    differentiable: Boolean = False
    fused: Boolean | None = None


class Adamax(Optimizer):
    type: Literal["Adamax"] = "Adamax"
    lr: NonNegative = 2e-3
    betas: Betas = (0.9, 0.999)
    eps: NonNegative = 1e-8
    weight_decay: NonNegative = 0.0
    foreach: Boolean | None = None
    maximize: Boolean = False
    differentiable: Boolean = False
    capturable: Boolean = False


class ASGD(Optimizer):
    type: Literal["ASGD"] = "ASGD"
    lr: NonNegative = 1e-2
    lambd: Number = 1e-4
    alpha: Number = 0.75
    t0: Number = 1e6
    weight_decay: NonNegative = 0.0
    foreach: Boolean | None = None
    maximize: Boolean = False
    differentiable: Boolean = False
    capturable: Boolean = False


class LBFGS(Optimizer):
    type: Literal["LBFGS"] = "LBFGS"
    lr: NonNegative = 1.0
    max_iter: Annotated[Count, Field(le=100_000)] = 20
    max_eval: Annotated[Count, Field(le=1_000_000)] | None = None
    tolerance_grad: NonNegative = 1e-7
    tolerance_change: NonNegative = 1e-9
    history_size: Annotated[Count, Field(le=10_000)] = 100
    line_search_fn: Literal["strong_wolfe"] | None = None

    takes_groups = False
    takes_sparse_gradients = True  # it makes them dense


class Muon(Optimizer):
    type: Literal["Muon"] = "Muon"
    lr: NonNegative = 1e-3
    weight_decay: NonNegative = 0.1
    momentum: NonNegative = 0.95
    nesterov: Boolean = True
    ns_coefficients: tuple[Number, Number, Number] = (3.4445, -4.775, 2.0315)
    eps: NonNegative = 1e-7
    ns_steps: Annotated[Index, Field(lt=100)] = 5
    adjust_lr_fn: Literal["original", "match_rms_adamw"] | None = None


class NAdam(Optimizer):
    type: Literal["NAdam"] = "NAdam"
    lr: NonNegative = 2e-3
    betas: Betas = (0.9, 0.999)
    eps: NonNegative = 1e-8
    weight_decay: NonNegative = 0.0
    momentum_decay: NonNegative = 4e-3
    decoupled_weight_decay: Boolean = False
    foreach: Boolean | None = None
    maximize: Boolean = False
    capturable: Boolean = False
    differentiable: Boolean = False


class RAdam(Optimizer):
    type: Literal["RAdam"] = "RAdam"
    lr: NonNegative = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: NonNegative = 1e-8
    weight_decay: NonNegative = 0.0
    decoupled_weight_decay: Boolean = False
    foreach: Boolean | None = None
    maximize: Boolean = False
    capturable: Boolean = False
    differentiable: Boolean = False


class RMSprop(Optimizer):
    type: Literal["RMSprop"] = "RMSprop"
    lr: NonNegative = 1e-2
    alpha: NonNegative = 0.99
    eps: NonNegative = 1e-8
    weight_decay: NonNegative = 0.0
    momentum: NonNegative = 0.0
    centered: Boolean = False
    capturable: Boolean = False
    foreach: Boolean | None = None
    maximize: Boolean = False
    differentiable: Boolean = False


class Rprop(Optimizer):
    type: Literal["Rprop"] = "Rprop"
    lr: NonNegative = 1e-2
    etas: tuple[Annotated[Number, Field(gt=0, lt=1)], Annotated[Number, Field(gt=1)]] = (0.5, 1.2)
    step_sizes: tuple[NonNegative, NonNegative] = (1e-6, 50.0)
    capturable: Boolean = False
    foreach: Boolean | None = None
    maximize: Boolean = False
    differentiable: Boolean = False

    def rules(self) -> Iterator[Complaint]:
        yield from super().rules()
        if self.step_sizes[0] > self.step_sizes[1]:
            yield Complaint(("step_sizes",), "the smallest step must not be above the largest")


class SGD(Optimizer):
    type: Literal["SGD"] = "SGD"
    lr: NonNegative = 1e-3
    momentum: NonNegative = 0.0
    dampening: Number = 0.0
    weight_decay: NonNegative = 0.0
    nesterov: Boolean = False
    maximize: Boolean = False
    foreach: Boolean | None = None
    differentiable: Boolean = False
    fused: Boolean | None = None

    takes_sparse_gradients = True

    def rules(self) -> Iterator[Complaint]:
        yield from super().rules()
        if self.nesterov and self.momentum == 0:
            yield Complaint(("nesterov",), "needs a momentum above 0")
        if self.nesterov and self.dampening != 0:
            yield Complaint(("nesterov",), "needs a dampening of 0")


class SparseAdam(Optimizer):
    type: Literal["SparseAdam"] = "SparseAdam"
    lr: Positive = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: Positive = 1e-8
    maximize: Boolean = False

    takes_sparse_gradients = True


OPTIMIZERS = Table("optimizer")
OPTIMIZERS.add(
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    AdamW,
    Adamax,
    ASGD,
    LBFGS,
    Muon,
    NAdam,
    RAdam,
    RMSprop,
    Rprop,
    SGD,
    SparseAdam,
    UpdateRule,
)
