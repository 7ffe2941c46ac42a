"""Bounds of a formula over a range of its one name: a proof that every value in it is there and finite.

IEEE's + - * / and square root are rounded monotonically, so their values at the ends bound all between; for exp, log,
powers and the like a margin is added, since no library promises as much for them.
"""

import math
from collections.abc import Callable
from itertools import product

from app.formulas import Tree

Bounds = tuple[float, float]

MARGIN = 1e-12
WHOLE = 1e15  # beyond it, neighbouring floats are so far apart that floor and % tell nothing


class Unproved(Exception):
    """There may be a value that is not finite, or none at all."""


def bounds(tree: Tree, name: str, low: float, high: float) -> Bounds | None:
    """A lower and an upper bound of the tree's values for low <= name <= high; None where no finite ones are proved."""
    try:
        return _bounds(tree, name, (low, high))
    except (Unproved, ArithmeticError, ValueError):
        return None


def _bounds(tree: Tree, name: str, at: Bounds) -> Bounds:
    if isinstance(tree, str):
        return at
    if not isinstance(tree, list):
        return tree, tree
    arguments = [_bounds(argument, name, at) for argument in tree[1:]]
    low, high = OPERATIONS[str(tree[0])](*arguments)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise Unproved
    return low, high


def _corners(operation: Callable[[float, float], float]) -> Callable[[Bounds, Bounds], Bounds]:
    """For what is monotone in each argument: the extremes are at the ends."""

    def bound(a: Bounds, b: Bounds) -> Bounds:
        values = [operation(x, y) for x, y in product(a, b)]
        return min(values), max(values)

    return bound


def _wider(bounds: Bounds) -> Bounds:
    low, high = bounds
    return low - MARGIN * (1e-300 + abs(low)), high + MARGIN * (1e-300 + abs(high))


def _not_negative(bounds: Bounds) -> Bounds:
    low, high = _wider(bounds)
    return max(0.0, low), high


def _rising(function: Callable[[float], float], *, exact: bool = False) -> Callable[[Bounds], Bounds]:
    def bound(a: Bounds) -> Bounds:
        found = function(a[0]), function(a[1])
        return found if exact else _wider(found)

    return bound


def _without_zero(a: Bounds) -> None:
    if a[0] <= 0 <= a[1]:
        raise Unproved


def _divided(a: Bounds, b: Bounds) -> Bounds:
    _without_zero(b)
    return _corners(lambda x, y: x / y)(a, b)


def _floor_divided(a: Bounds, b: Bounds) -> Bounds:
    low, high = _divided(a, b)
    return math.floor(low) - 1.0, math.floor(high) + 1.0


def _remainder(a: Bounds, b: Bounds) -> Bounds:
    """Of the divisor's sign, and not larger; an amount below a positive divisor stays."""
    _without_zero(b)
    if a[0] >= 0 and a[1] < b[0]:
        return a
    return min(0.0, b[0]), max(0.0, b[1])


def _power(a: Bounds, b: Bounds) -> Bounds:
    whole = b[0] == b[1] and b[0] == math.floor(b[0]) and abs(b[0]) < WHOLE
    if whole and b[0] < 0:
        _without_zero(a)
    if a[0] > 0 or (whole and b[0] < 0 and a[1] < 0):
        ends = _corners(lambda x, y: float(x**y))(a, b)
        return _not_negative(ends) if a[0] > 0 else _wider(ends)
    if whole:
        largest = max(abs(a[0]), abs(a[1])) ** b[0]
        return _wider((-largest, largest)) if b[0] % 2 else _not_negative((0.0, largest))
    if a[0] == 0 and b[0] >= 0:
        return _not_negative((0.0, max(1.0, float(a[1] ** b[0]), float(a[1] ** b[1]))))
    raise Unproved


def _absolute(a: Bounds) -> Bounds:
    least = 0.0 if a[0] <= 0 <= a[1] else min(abs(a[0]), abs(a[1]))
    return least, max(abs(a[0]), abs(a[1]))


def _decided(always: bool, never: bool) -> Bounds:
    return (1.0, 1.0) if always else (0.0, 0.0) if never else (0.0, 1.0)


def _less(a: Bounds, b: Bounds) -> Bounds:
    return _decided(a[1] < b[0], a[0] >= b[1])


def _at_most(a: Bounds, b: Bounds) -> Bounds:
    return _decided(a[1] <= b[0], a[0] > b[1])


def _equal(a: Bounds, b: Bounds) -> Bounds:
    return _decided(a[0] == a[1] == b[0] == b[1], a[1] < b[0] or b[1] < a[0])


def _not(a: Bounds) -> Bounds:
    return 1.0 - a[1], 1.0 - a[0]


def _where(condition: Bounds, a: Bounds, b: Bounds) -> Bounds:
    if condition[0] > 0 or condition[1] < 0:
        return a
    return b if condition == (0.0, 0.0) else (min(a[0], b[0]), max(a[1], b[1]))


def _least(a: Bounds, b: Bounds) -> Bounds:
    return min(a[0], b[0]), min(a[1], b[1])


def _greatest(a: Bounds, b: Bounds) -> Bounds:
    return max(a[0], b[0]), max(a[1], b[1])


def _within_one(a: Bounds) -> Bounds:
    return -1.0, 1.0


OPERATIONS: dict[str, Callable[..., Bounds]] = {
    "+": _corners(lambda x, y: x + y),
    "-": _corners(lambda x, y: x - y),
    "*": _corners(lambda x, y: x * y),
    "/": _divided,
    "//": _floor_divided,
    "**": _power,
    "%": _remainder,
    "neg": lambda a: (-a[1], -a[0]),
    "<": _less,
    "<=": _at_most,
    ">": lambda a, b: _less(b, a),
    ">=": lambda a, b: _at_most(b, a),
    "==": _equal,
    "!=": lambda a, b: _not(_equal(a, b)),
    "where": _where,
    "min": _least,
    "max": _greatest,
    "abs": _absolute,
    "exp": lambda a: _not_negative((math.exp(a[0]), math.exp(a[1]))),
    "log": _rising(math.log),
    "sqrt": _rising(math.sqrt, exact=True),
    "sin": _within_one,
    "cos": _within_one,
    "tanh": _rising(math.tanh),
    "sign": _rising(lambda x: float((x > 0) - (x < 0)), exact=True),
    "clamp": lambda a, low, high: _least(_greatest(a, low), high),
    "floor": _rising(lambda x: float(math.floor(x)), exact=True),
}
