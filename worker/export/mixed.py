"""What a formula does with a value that is a tensor or a number, which only a run shows: `where(step > 9, grad, 0)`.

The functions stand in a script by their source, where formulas call them.
"""

import re
from collections.abc import Callable
from typing import Any

import torch

from .sources import source_of


def mixed_call(on_tensors: Callable[[Any], Any], on_numbers: Callable[[Any], Any], value: Any) -> Any:
    return on_tensors(value) if torch.is_tensor(value) else on_numbers(value)


def mixed_min(a: Any, b: Any) -> Any:
    if torch.is_tensor(a):
        return torch.minimum(a, b) if torch.is_tensor(b) else torch.clamp(a, max=b)
    return torch.clamp(b, max=a) if torch.is_tensor(b) else min(a, b)


def mixed_max(a: Any, b: Any) -> Any:
    if torch.is_tensor(a):
        return torch.maximum(a, b) if torch.is_tensor(b) else torch.clamp(a, min=b)
    return torch.clamp(b, min=a) if torch.is_tensor(b) else max(a, b)


def mixed_floordiv(a: Any, b: Any) -> Any:
    return torch.div(a, b, rounding_mode="floor") if torch.is_tensor(a) or torch.is_tensor(b) else a // b


def mixed_where(condition: Any, a: Any, b: Any) -> Any:
    return torch.where(condition != 0, a, b) if torch.is_tensor(condition) else a if condition else b


def mixed_state(value: Any, weight: Any) -> Any:
    if not torch.is_tensor(value):
        return torch.full_like(weight, value)
    return value.clone() if value is weight else value


FUNCTIONS = (mixed_call, mixed_min, mixed_max, mixed_floordiv, mixed_where, mixed_state)
NAMES = {function.__name__ for function in FUNCTIONS}


def definitions(source: str) -> list[str]:
    """Of the functions that a source calls."""
    called = [function for function in FUNCTIONS if f"{function.__name__}(" in source]
    return [re.sub(r"(: | -> )(Any|Callable\[\[Any\], Any\])", "", source_of(function)) for function in called]
