"""Formula trees: evaluated in Python floats, or compiled once into tensor operations.

A tree is a float, a name, or a list [operation, arguments...]: parsed and checked elsewhere, only data here.
"""

import functools
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

Tree = float | str | list[Any]
Value = Tensor | float
Compiled = Callable[[Mapping[str, Value]], Value]


def _real_power(base: float, exponent: float) -> float:
    result: float | complex = base**exponent
    if isinstance(result, complex):
        raise ValueError(f"{base} ** {exponent} is not a real number")
    return result


def _float_sign(x: float) -> float:
    return math.copysign(1.0, x) if x else 0.0


FLOAT_OPERATIONS: dict[str, Callable[..., float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "**": _real_power,
    "%": operator.mod,
    "neg": operator.neg,
    "<": lambda a, b: float(a < b),
    "<=": lambda a, b: float(a <= b),
    ">": lambda a, b: float(a > b),
    ">=": lambda a, b: float(a >= b),
    "==": lambda a, b: float(a == b),
    "!=": lambda a, b: float(a != b),
    "where": lambda c, a, b: a if c else b,
    "min": min,
    "max": max,
    "abs": abs,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "sign": _float_sign,
    "clamp": lambda x, low, high: min(max(x, low), high),
    "floor": lambda x: float(math.floor(x)),
}

COMPARISONS = {"<": torch.lt, "<=": torch.le, ">": torch.gt, ">=": torch.ge, "==": torch.eq, "!=": torch.ne}


def _minimum(a: Value, b: Value) -> Value:
    if isinstance(a, Tensor):
        return torch.minimum(a, b) if isinstance(b, Tensor) else torch.clamp(a, max=b)
    return torch.clamp(b, max=a) if isinstance(b, Tensor) else min(a, b)


def _maximum(a: Value, b: Value) -> Value:
    if isinstance(a, Tensor):
        return torch.maximum(a, b) if isinstance(b, Tensor) else torch.clamp(a, min=b)
    return torch.clamp(b, min=a) if isinstance(b, Tensor) else max(a, b)


def _compare(symbol: str) -> Callable[[Any, Any], Any]:
    """A condition: a bool tensor, or a bool when both sides are numbers."""
    on_tensors, on_floats = COMPARISONS[symbol], getattr(operator, COMPARISONS[symbol].__name__)

    def compare(a: Any, b: Any) -> Any:
        if isinstance(a, Tensor):
            return on_tensors(a, b)
        if isinstance(b, Tensor):
            return on_tensors(torch.as_tensor(a, dtype=b.dtype, device=b.device), b)
        return on_floats(a, b)

    return compare


def _as_number(condition: Any, like: tuple[Any, Any]) -> Value:
    if isinstance(condition, Tensor):
        dtype = next(value.dtype for value in like if isinstance(value, Tensor))
        return condition.to(dtype)
    return float(condition)


def _where(condition: Any, a: Value, b: Value) -> Value:
    if not isinstance(condition, Tensor):
        return a if condition else b
    chosen: Tensor = torch.where(condition if condition.dtype == torch.bool else condition != 0, a, b)
    if not isinstance(a, Tensor) and not isinstance(b, Tensor) and condition.is_floating_point():
        return chosen.to(condition.dtype)
    return chosen


def _tensor_or_float(
    on_tensors: Callable[[Tensor], Tensor], on_floats: Callable[[float], float]
) -> Callable[..., Value]:
    return lambda x: on_tensors(x) if isinstance(x, Tensor) else on_floats(x)


def _floor_division(a: Value, b: Value) -> Value:
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return torch.div(a, b, rounding_mode="floor")  # the values of //, which has no derivative
    return a // b


def _power(a: Value, b: Value) -> Value:
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return torch.pow(a, b)  # type: ignore[arg-type]
    return _real_power(a, b)


TENSOR_OPERATIONS: dict[str, Callable[..., Value]] = {
    **{symbol: FLOAT_OPERATIONS[symbol] for symbol in ("+", "-", "*", "/", "%", "neg", "abs")},
    "//": _floor_division,
    "**": _power,
    "where": _where,
    "min": lambda *values: functools.reduce(_minimum, values),
    "max": lambda *values: functools.reduce(_maximum, values),
    "clamp": lambda x, low, high: _minimum(_maximum(x, low), high),
    **{
        name: _tensor_or_float(getattr(torch, name), FLOAT_OPERATIONS[name])
        for name in ("exp", "log", "sqrt", "sin", "cos", "tanh", "sign", "floor")
    },
}


def evaluate_float(tree: Tree, names: Mapping[str, float]) -> float:
    """The tree's value in float64. Raises ArithmeticError or ValueError where there is none."""
    if isinstance(tree, list):
        return float(FLOAT_OPERATIONS[tree[0]](*(evaluate_float(argument, names) for argument in tree[1:])))
    return float(names[tree]) if isinstance(tree, str) else float(tree)


def compile_tensor(tree: Tree) -> Compiled:
    """A function from named tensors and floats to the tree's value, differentiable, in the tensors' dtype."""
    if isinstance(tree, str):
        name = tree
        return lambda names: names[name]
    if not isinstance(tree, list):
        number = float(tree)
        return lambda names: number
    if tree[0] in COMPARISONS:
        compare = _compare(tree[0])
        left, right = compile_tensor(tree[1]), compile_tensor(tree[2])

        def compared(names: Mapping[str, Value]) -> Value:
            a, b = left(names), right(names)
            return _as_number(compare(a, b), (a, b))

        return compared
    operation = TENSOR_OPERATIONS[tree[0]]
    arguments = [compile_tensor(argument) for argument in tree[1:]]
    if len(arguments) == 1:
        only = arguments[0]
        return lambda names: operation(only(names))
    if len(arguments) == 2:
        first, second = arguments
        return lambda names: operation(first(names), second(names))
    return lambda names: operation(*(argument(names) for argument in arguments))


def names_in(tree: Tree) -> set[str]:
    """The names a tree reads."""
    if isinstance(tree, str):
        return {tree}
    return set().union(*(names_in(argument) for argument in tree[1:])) if isinstance(tree, list) else set()
