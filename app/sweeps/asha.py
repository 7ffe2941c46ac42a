"""ASHA's stopping rule (Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020), as pure functions.

The rungs lie at min_epochs * reduction_factor ** k. A point that comes to a rung is compared with those that have been
there before it, and goes on when it is among the best 1 / reduction_factor of them, itself counted, or the very best.
"""

import math
from collections.abc import Sequence

MAX_RUNGS = 40


def rung_epochs(min_epochs: int, reduction_factor: int, epochs: int) -> list[int]:
    """The epochs after which is decided, below `epochs`, where a job ends by itself: (1, 3, 10) -> [1, 3, 9]."""
    found: list[int] = []
    rung = min_epochs
    while rung < epochs and len(found) < MAX_RUNGS:
        found.append(rung)
        rung *= reduction_factor
    return found


def place_among(value: float, earlier: Sequence[float], mode: str) -> int:
    """From 1; equal values share the better place, NaN comes last."""
    return 1 + sum(is_better(other, value, mode) for other in earlier)


def is_better(a: float, b: float, mode: str) -> bool:
    if math.isnan(a) or math.isnan(b):
        return not math.isnan(a) and math.isnan(b)
    return a < b if mode == "min" else a > b


def goes_on(place: int, reached: int, reduction_factor: int) -> bool:
    """Whether the point of this place among `reached` (itself counted) goes on."""
    return place <= max(1, reached // reduction_factor)
