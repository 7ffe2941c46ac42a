"""What a model is, before it exists: shapes, parameters, floating-point operations and bytes, on the meta device."""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from worker.training.config import Component

from .facts import Facts

# Tensors of a parameter's size that an optimizer keeps for it.
STATE_TENSORS = {
    "ASGD": 1, "Adadelta": 2, "Adagrad": 1, "Adam": 2, "AdamW": 2, "Adamax": 2, "Muon": 1, "NAdam": 2, "RAdam": 2,
    "RMSprop": 1, "Rprop": 2, "SGD": 0, "SparseAdam": 2,
}  # fmt: skip


class FlopCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The total that torch.utils.flop_counter comes to, by its own formulas, without its books on every module."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = function(*args, **kwargs)
        formula = flop_registry.get(function.overloadpacket)
        if formula is not None:
            self.total += formula(*args, **kwargs, out_val=result)
        return result


def describe(
    model: nn.Module,
    facts: Facts | None,
    optimizer: Component | None,
    batch_size: int,
    measured: "Measured | None" = None,
) -> dict[str, Any]:
    """Layers in the order in which they run, and totals. `facts` is None for a Function."""
    parameters = list(model.parameters())
    found: dict[str, Any] = {
        "parameters": sum(p.numel() for p in parameters),
        "trainable_parameters": sum(p.numel() for p in parameters if p.requires_grad),
        "flops_per_sample": 0,
        "parameter_bytes": sum(p.nbytes for p in parameters),
        "optimizer_bytes": 0 if optimizer is None else _optimizer_bytes(optimizer, parameters),
        "activation_bytes": 0,
        "layers": [],
    }
    if facts is None:
        return found
    if measured is None:
        measured = Measured(model)
        measured(facts.sample(2))
    found |= {
        "flops_per_sample": measured.flops // measured.samples,
        "activation_bytes": measured.activations // measured.samples * batch_size,
        "layers": measured.layers,
    }
    return found


class Measured:
    """A forward pass in eval mode that notes what each layer gives and how many operations all take."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self.samples, self.flops, self.activations = 0, 0, 0
        self.layers: list[dict[str, Any]] = []

    def __call__(self, inputs: Tensor) -> Any:
        self.samples = len(inputs)
        modules = [(name, module) for name, module in self._model.named_modules() if name and _is_leaf(module)]
        handles = [module.register_forward_hook(partial(self._record, name)) for name, module in modules]
        counter = FlopCounter()
        try:
            with torch.no_grad(), counter:
                return self._model.eval()(inputs)
        finally:
            self.flops = counter.total
            for handle in handles:
                handle.remove()

    def _record(self, name: str, module: nn.Module, inputs: Any, outputs: Any) -> None:
        first = outputs[0] if isinstance(outputs, tuple) else outputs
        if isinstance(first, Tensor):
            self.activations += first.nbytes
            parameters = sum(p.numel() for p in module.parameters())
            shape = list(first.shape[1:])
            layer = {"name": name, "type": type(module).__name__, "output_shape": shape, "parameters": parameters}
            self.layers.append(layer)


def _is_leaf(module: nn.Module) -> bool:
    """Modules that hold no others, or do not run them one by one."""
    whole = (nn.MultiheadAttention, nn.TransformerEncoderLayer)
    return isinstance(module, whole) or not any(module.children())


def _optimizer_bytes(config: Component, parameters: list[nn.Parameter]) -> int:
    kind, trained = config["type"], [p for p in parameters if p.requires_grad]
    whole = sum(p.nbytes for p in trained)
    if kind == "Adafactor":  # a row and a column for each matrix, else one of its size
        rows = [
            sum(p.shape[-2:]) * p.numel() // (p.shape[-1] * p.shape[-2]) if p.ndim > 1 else p.numel() for p in trained
        ]
        return sum(rows) * 4
    if kind == "LBFGS":
        return whole * (2 * int(config.get("history_size") or 100) + 3)
    if kind == "UpdateRule":
        return whole * len(config.get("state") or {})
    extra = sum(bool(config.get(key)) for key in ("momentum", "centered", "amsgrad") if kind != "Muon")
    return whole * (STATE_TENSORS[kind] + extra)
