"""Trees of Python values and tensors as JSON, tensors apart: a `state_dict()` comes back exactly, types included."""

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

TAG = "~"
STATE = "state."


def pack(value: Any, tensors: dict[str, Tensor], prefix: str = STATE) -> Any:
    """JSON-able form of a tree. Tensors are copied to the CPU into `tensors`, so nothing of the live state is shared.

    Raises TypeError for a type that would not come back as it was.
    """
    if value is None or isinstance(value, bool | str) or type(value) in (int, float):
        return value
    if isinstance(value, Tensor) and value.is_sparse:  # the momentum of sparse gradients, its parts not summed up
        parts = [pack(part, tensors, prefix) for part in (value._indices(), value._values())]
        return {TAG: "sparse", "items": [*parts, list(value.shape), value.is_coalesced()]}
    if isinstance(value, Tensor):
        name = f"{prefix}{len(tensors)}"
        tensors[name] = copied(value)
        return {TAG: "tensor", "name": name}
    if type(value) is list:
        return [pack(item, tensors, prefix) for item in value]
    if type(value) is tuple:
        return {TAG: "tuple", "items": [pack(item, tensors, prefix) for item in value]}
    if type(value) in (dict, OrderedDict, Counter):
        kind = type(value).__name__
        if kind == "dict" and TAG not in value and all(type(key) is str for key in value):
            return {key: pack(item, tensors, prefix) for key, item in value.items()}
        pairs = [[pack(key, tensors, prefix), pack(item, tensors, prefix)] for key, item in value.items()]
        return {TAG: kind, "items": pairs}
    if type(value) is set:
        return {TAG: "set", "items": [pack(item, tensors, prefix) for item in value]}
    raise TypeError(f"a {type(value).__name__} cannot be saved")


def unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """The tree again. Each tensor is the one in `tensors`, not a copy."""
    if isinstance(value, list):
        return [unpack(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get(TAG)
    if kind is None:
        return {key: unpack(item, tensors) for key, item in value.items()}
    if kind == "tensor":
        return tensors[value["name"]]
    items = [unpack(item, tensors) for item in value["items"]]
    return KINDS[kind](items)


def _sparse(parts: list[Any]) -> Tensor:
    indices, values, shape, coalesced = parts
    return torch.sparse_coo_tensor(indices, values, shape, is_coalesced=coalesced, check_invariants=False)


KINDS: dict[str, Callable[[list[Any]], Any]] = {
    "tuple": tuple,
    "sparse": _sparse,
    "set": set,
    "dict": dict,
    "OrderedDict": OrderedDict,
    "Counter": lambda pairs: Counter(dict(pairs)),
}


def copied(tensor: Tensor) -> Tensor:
    """A copy on the CPU that shares nothing with the tensor."""
    return tensor.detach().to("cpu", copy=True).contiguous()
