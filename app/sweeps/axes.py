"""What stands at a key of `over`: values one by one, or a distribution to draw from."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

MAX_POINTS = 10_000


class WrongAxis(ValueError):
    """The message is a sentence for the client."""


@dataclass(frozen=True)
class Axis:
    """`values` one by one, or, in a random search alone, `draw`."""

    values: Sequence[Any] = ()
    draw: Callable[[Random], Any] | None = None


def read_axis(raw: Any) -> Axis:
    """Raises WrongAxis."""
    if isinstance(raw, list):
        return Axis(bounded(raw))
    if not isinstance(raw, dict) or len(raw) != 1 or next(iter(raw)) not in KINDS:
        raise WrongAxis(f"must be a list of values, or an object with one of: {', '.join(KINDS)}")
    [(kind, arguments)] = raw.items()
    if not isinstance(arguments, list):
        raise WrongAxis(f"{kind} takes a list")
    return KINDS[kind](arguments)


def bounded(values: list[Any]) -> list[Any]:
    if not 1 <= len(values) <= MAX_POINTS:
        raise WrongAxis(f"must have 1 to {MAX_POINTS} values, not {len(values)}")
    return values


def integer_range(arguments: list[Any]) -> Axis:
    """The whole numbers of [a, b)."""
    if len(arguments) != 2 or not all(is_integer(value) for value in arguments):
        raise WrongAxis("range takes two whole numbers [a, b), the second not included")
    values = range(int(arguments[0]), int(arguments[1]))
    if not 1 <= len(values) <= MAX_POINTS:
        raise WrongAxis(f"range must have 1 to {MAX_POINTS} values, not {max(0, arguments[1] - arguments[0])}")
    return Axis(values)


def linspace(arguments: list[Any]) -> Axis:
    """n numbers from a to b, both included: numpy's `linspace`, to the bit."""
    first, last, count = spaced("linspace", arguments)
    step = (last - first) / (count - 1) if count > 1 else 0.0
    values = [index * step + first for index in range(count)]
    return Axis([*values[:-1], last] if count > 1 else values)


def logspace(arguments: list[Any]) -> Axis:
    """n numbers from 10^a to 10^b, evenly spaced by their logarithms."""
    spaced("logspace", arguments)
    exponents = linspace(arguments).values
    try:
        values = [10.0**exponent for exponent in exponents]
    except OverflowError:
        raise WrongAxis("logspace takes the logarithms of its ends: 10 ** b is too large a number") from None
    return Axis(values)


def spaced(kind: str, arguments: list[Any]) -> tuple[float, float, int]:
    if len(arguments) != 3 or not all(is_number(value) for value in arguments) or not is_integer(arguments[2]):
        raise WrongAxis(f"{kind} takes two numbers and how many values there are: [a, b, n]")
    if not 1 <= arguments[2] <= MAX_POINTS:
        raise WrongAxis(f"{kind} must have 1 to {MAX_POINTS} values, not {arguments[2]}")
    return float(arguments[0]), float(arguments[1]), int(arguments[2])


def uniform(arguments: list[Any]) -> Axis:
    low, high = ends("uniform", arguments)
    return Axis(draw=lambda random: low + (high - low) * random.random())


def loguniform(arguments: list[Any]) -> Axis:
    low, high = ends("loguniform", arguments)
    if low <= 0:
        raise WrongAxis("loguniform takes positive numbers: the ends themselves, not their logarithms")
    ratio = math.log(high) - math.log(low)
    return Axis(draw=lambda random: min(high, max(low, math.exp(math.log(low) + ratio * random.random()))))


def choice(arguments: list[Any]) -> Axis:
    values = bounded(arguments)
    return Axis(draw=lambda random: values[int(random.random() * len(values))])


def ends(kind: str, arguments: list[Any]) -> tuple[float, float]:
    if len(arguments) != 2 or not all(is_number(value) for value in arguments) or arguments[0] > arguments[1]:
        raise WrongAxis(f"{kind} takes two numbers [a, b], the smaller one first")
    return float(arguments[0]), float(arguments[1])


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def is_integer(value: Any) -> bool:
    return is_number(value) and value == int(value) and abs(value) <= 2**53


KINDS: dict[str, Callable[[list[Any]], Axis]] = {
    "range": integer_range,
    "linspace": linspace,
    "logspace": logspace,
    "uniform": uniform,
    "loguniform": loguniform,
    "choice": choice,
}
