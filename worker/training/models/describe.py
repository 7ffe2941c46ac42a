"""What a model is, before it exists: shapes, parameters, floating-point operations and bytes, on the meta device."""

from typing import Any

from torch import nn

from worker.training.config import Component

from .facts import Facts
from .measured import Measured

# Tensors of a parameter's size that an optimizer keeps for it.
STATE_TENSORS = {
    "ASGD": 1, "Adadelta": 2, "Adagrad": 1, "Adam": 2, "AdamW": 2, "Adamax": 2, "Muon": 1, "NAdam": 2, "RAdam": 2,
    "RMSprop": 1, "Rprop": 2, "SGD": 0, "SparseAdam": 2,
}  # fmt: skip


def describe(
    model: nn.Module,
    facts: Facts | None,
    optimizer: Component | None,
    batch_size: int,
    measured: Measured | None = None,
) -> dict[str, Any]:
    """Layers in the order in which they run, and totals. `facts` is None for a Function."""
    named = dict(model.named_parameters())
    parameters = list(named.values())
    found: dict[str, Any] = {
        "parameters": sum(p.numel() for p in parameters),
        "trainable_parameters": sum(p.numel() for p in parameters if p.requires_grad),
        "flops_per_sample": 0,
        "parameter_bytes": sum(p.nbytes for p in parameters),
        "optimizer_bytes": 0 if optimizer is None else _optimizer_bytes(optimizer, named),
        "activation_bytes": 0,
        "layers": [],
    }
    if facts is None:
        return found
    if measured is None:
        measured = Measured(model.eval())
        measured(facts.sample())
    found |= {
        "flops_per_sample": measured.flops // measured.samples,
        "activation_bytes": measured.activations // measured.samples * batch_size,
        "layers": [row._asdict() for row in measured.rows],
    }
    return found


def _optimizer_bytes(config: Component, parameters: dict[str, nn.Parameter]) -> int:
    groups = config.get("groups") or [{"params": list(parameters)}]
    return sum(_state_bytes({**config, **group}, [parameters[name] for name in group["params"]]) for group in groups)


def _state_bytes(config: Component, parameters: list[nn.Parameter]) -> int:
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
