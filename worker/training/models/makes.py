"""The make of a module and of what it is given: of equal makes, equal shapes and operations come out."""

from collections.abc import Mapping
from types import BuiltinFunctionType, FunctionType
from typing import Any

import torch
from torch import Tensor, nn

Make = tuple[Any, ...]

PLAIN = {str, int, float, bool, type(None), torch.dtype, torch.device, FunctionType, BuiltinFunctionType}
FRAMEWORK = frozenset(vars(nn.Module())) - {"training"}  # what every module carries


class Unknown(Exception):
    """A setting or an argument that cannot be compared."""


def makes_of(model: nn.Module) -> dict[nn.Module, Make]:
    """Class, settings, shapes of the parameters and the parts, of each module for which these are all there is."""
    found: dict[nn.Module, Make] = {}
    _add(model, found)
    return found


def make_of_inputs(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Make | None:
    """Shapes, layouts and types of tensors, everything else by its value; None where that cannot be compared."""
    try:
        return _frozen(args), _frozen(tuple(kwargs.items()))
    except Unknown:
        return None


def _add(module: nn.Module, found: dict[nn.Module, Make]) -> None:
    for child in module.children():
        if child not in found:
            _add(child, found)
    settings = [(key, value) for key, value in vars(module).items() if key not in FRAMEWORK and not key.startswith("_")]
    tensors = (*module._parameters.items(), *module._buffers.items())
    try:
        parts = tuple((name, child and found[child]) for name, child in module._modules.items())
        found[module] = (type(module), _frozen(settings), _frozen(tensors), parts)
    except (Unknown, KeyError):  # its own setting, or a part's
        return


def _frozen(value: Any) -> Any:
    if type(value) in PLAIN:
        return value
    if isinstance(value, Tensor):
        return value.shape, value.stride(), value.dtype
    if isinstance(value, tuple | list):
        return tuple(map(_frozen, value))
    raise Unknown
