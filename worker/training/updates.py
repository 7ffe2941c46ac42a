"""One update: forward, backward, clipping, the optimizer's step."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from . import failpoints
from .config import Training
from .data import Batch
from .distributed import World
from .looked_up import LookedUp
from .losses import LossFunction
from .optimizers import needs_closure

Forward = Callable[[Batch], Tensor]


class Objective:
    """The loss of a batch: the model, the loss function, autocast, and the L1 penalty."""

    def __init__(self, model: nn.Module, loss: LossFunction | None, settings: Training, device: torch.device) -> None:
        self._model, self._loss, self._l1 = model, loss, settings.l1
        self._device = device.type
        self._autocast = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(settings.precision)
        self._lengths = getattr(type(model), "takes_lengths", False)  # a node may be called so

    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """(loss, outputs): the loss without the penalty; a Function has no outputs."""
        if self._autocast is None:
            return self._evaluate(batch)
        with torch.autocast(self._device, dtype=self._autocast):
            return self._evaluate(batch)

    def _evaluate(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        if self._loss is None:
            return self._model(), None
        inputs = batch.inputs if batch.inputs.dtype != torch.uint8 else batch.inputs.float()
        outputs = self._model(inputs, batch.lengths) if self._lengths else self._model(inputs)
        loss = self._loss(outputs, batch.targets, batch.weights)
        if batch.other_targets is not None:
            other = self._loss(outputs, batch.other_targets, batch.weights)
            loss = batch.share * loss + (1 - batch.share) * other
        return loss, outputs

    def penalty(self) -> Tensor | float:
        """l1 · Σ|w| over the parameters that are trained."""
        if not self._l1:
            return 0.0
        return self._l1 * sum(p.abs().sum() for p in self._model.parameters() if p.requires_grad)


class Updater:
    """Takes a window of batches to one step of the optimizer."""

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        settings: Training,
        scaler: torch.amp.GradScaler | None,
        see: Callable[[Tensor, Tensor | None, Batch], None],
        world: World,
    ) -> None:
        self._model, self._objective, self._clip, self._scaler = model, objective, settings.clip, scaler
        self._world = world
        self._parameters = list(model.parameters())
        self._looked_up = LookedUp([model] if world.size > 1 else [])
        self._see = see  # told of each batch's loss and outputs, before the update
        self.before_step: Callable[[], None] | None = None  # called once with the gradients in place

    def update(self, optimizer: torch.optim.Optimizer, window: list[Batch], want_norm: bool) -> Tensor | None:
        """One step. Returns the gradient norm before clipping where it is wanted; reading it waits for the device."""
        if needs_closure(optimizer):
            return self._with_closure(optimizer, window, want_norm)
        self._backward(window, self._see)
        norm = self._prepare(optimizer, want_norm)
        if self._scaler is None:
            optimizer.step()
        else:
            self._scaler.step(optimizer)
            self._scaler.update()
        failpoints.reach("after_optimizer_step")
        return norm

    def _with_closure(self, optimizer: Any, window: list[Batch], want_norm: bool) -> Tensor | None:
        norms: list[Tensor | None] = []

        def closure() -> Tensor:
            first = not norms  # later evaluations belong to the line search
            loss = self._backward(window, self._see if first else None)
            norms.append(self._prepare(optimizer, want_norm and first, first))
            return self._world.summed(loss)

        optimizer.step(closure)
        failpoints.reach("after_optimizer_step")
        return norms[0]

    def _backward(self, window: list[Batch], see: Callable[[Tensor, Tensor | None, Batch], None] | None) -> Tensor:
        """Gradients of the window's mean loss, of all processes; returns this one's share of that loss."""
        for parameter in self._parameters:
            parameter.grad = None
        total: Tensor | None = None
        self._looked_up.remember()
        for batch in window:
            loss, outputs = self._objective(batch)
            loss = loss + penalty if isinstance(penalty := self._objective.penalty(), Tensor) else loss
            if see is not None:
                see(loss.detach(), outputs, batch)
            share = loss if len(window) == 1 else loss / len(window)
            share = share if batch.part == 1.0 else share * batch.part
            (share if self._scaler is None else self._scaler.scale(share)).backward()  # type: ignore[no-untyped-call]
            total = share.detach() if total is None else total + share.detach()
        assert total is not None
        self._looked_up.agree(self._world)
        self._world.sum_gradients(self._parameters)
        return total

    def _prepare(self, optimizer: torch.optim.Optimizer, want_norm: bool, first: bool = True) -> Tensor | None:
        """Unscale, measure, clip."""
        if self._scaler is not None:
            self._scaler.unscale_(optimizer)
        if self.before_step is not None and first:
            self.before_step()
        clip = self._clip
        if clip is None and not want_norm:
            return None
        trained = [p for p in self._parameters if p.grad is not None]
        by_norm = clip is not None and clip["type"] == "norm"
        norm = nn.utils.get_total_norm([_summed(p.grad) for p in trained]) if want_norm or by_norm else None
        if clip is not None and by_norm:
            assert norm is not None
            factor = torch.clamp(clip["max_norm"] / (norm + 1e-6), max=1.0)  # as torch.nn.utils.clip_grad_norm_
            torch._foreach_mul_([_values(p.grad) for p in trained], factor)
        elif clip is not None:
            for parameter in trained:
                if parameter.grad is not None and parameter.grad.is_sparse:  # what is clipped is a row's sum
                    parameter.grad = parameter.grad.coalesce()
            gradients = [_values(p.grad) for p in trained]
            torch._foreach_clamp_min_(gradients, -clip["clip_value"])
            torch._foreach_clamp_max_(gradients, clip["clip_value"])
        return norm


def _summed(gradient: Tensor | None) -> Tensor:
    """To be measured: of a sparse gradient each row once. The gradient stays as it is, since an optimizer that adds
    its parts one by one comes to other bits than one that adds their sum."""
    assert gradient is not None
    return gradient.coalesce()._values() if gradient.is_sparse else gradient


def _values(gradient: Tensor | None) -> Tensor:
    """To be changed in place."""
    assert gradient is not None
    return gradient._values() if gradient.is_sparse else gradient
