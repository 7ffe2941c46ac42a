"""JSON on the wire: orjson, UTC, and words for the numbers that JSON does not have."""

import math
from collections.abc import Iterable
from typing import Any

import orjson

OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NAIVE_UTC
WORDS = {math.inf: "Infinity", -math.inf: "-Infinity"}


def render(value: Any) -> bytes:
    """The bytes of a reply. Times come out in UTC; a number that may not be finite goes through `number` first."""
    return orjson.dumps(value, option=OPTIONS)


def number(value: float | None) -> float | str | None:
    """A float as JSON can carry it: orjson would write NaN and the infinities as null."""
    if value is None or math.isfinite(value):
        return value
    return WORDS.get(value, "NaN")


def numbers(values: Iterable[float]) -> list[float | str | None]:
    return [number(value) for value in values]
