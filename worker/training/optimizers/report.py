"""The optimizer as data, for people to look at: groups by name, and figures of each state tensor."""

from typing import Any

import torch
from torch import Tensor


def describe(kind: str, defaults: dict[str, Any], saved: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """{"type", "defaults", "groups", "state": {parameter: {key: number or {shape, dtype, norm, mean, min, max}}}}.

    `saved` is the optimizer's `state_dict()`, `names` those of its parameters in the order of its groups.
    """
    groups = [
        {
            **{key: _plain(value) for key, value in group.items() if key != "params"},
            "parameters": [names[index] for index in group["params"]],
        }
        for group in saved["param_groups"]
    ]
    state = {
        names[index]: {key: _plain(value) for key, value in entries.items()}
        for index, entries in saved["state"].items()
    }
    plain = {key: _plain(value) for key, value in defaults.items()}
    return {"type": kind, "defaults": plain, "groups": groups, "state": state}


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.item() if value.ndim == 0 else _figures(value.detach())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _figures(tensor: Tensor) -> dict[str, Any]:
    found: dict[str, Any] = {"shape": list(tensor.shape), "dtype": str(tensor.dtype).removeprefix("torch.")}
    if tensor.numel():
        numbers = (tensor.to_dense() if tensor.is_sparse else tensor).to(torch.float32)
        low, high = torch.aminmax(numbers)
        found |= {
            "norm": float(torch.linalg.vector_norm(numbers)),
            "mean": float(numbers.mean()),
            "min": float(low),
            "max": float(high),
        }
    return found
