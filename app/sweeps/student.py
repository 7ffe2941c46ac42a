"""Mean, deviation and 95% interval of few numbers, by Student's t."""

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist, fmean, stdev
from typing import Any

MANY = 200
"""Degrees of freedom from which on the expansion around the normal quantile is exact to nine digits."""


def summary(values: Sequence[float]) -> dict[str, Any]:
    """{"n", "mean", "deviation" (n - 1), "interval"}; null what so few numbers do not tell."""
    n = len(values)
    mean = fmean(values) if n else None
    if mean is None or n < 2:
        return {"n": n, "mean": mean, "deviation": None, "interval": None}
    deviation = stdev(values)
    half = quantile(n - 1) * deviation / math.sqrt(n)
    return {"n": n, "mean": mean, "deviation": deviation, "interval": [mean - half, mean + half]}


@lru_cache
def quantile(degrees: int, probability: float = 0.975) -> float:
    """t with P(T <= t) = probability > 0.5, for a whole number of degrees of freedom."""
    if degrees > MANY:
        return expansion(degrees, NormalDist().inv_cdf(probability))
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if central(middle, degrees) < 2 * probability - 1 else (low, middle)
    return math.sqrt(degrees) * math.tan((low + high) / 2)


def central(angle: float, degrees: int) -> float:
    """P(|T| < sqrt(degrees) * tan(angle)): Abramowitz and Stegun 26.7.3 and 26.7.4, finite sums."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2
    term = total = cosine if odd else 1.0
    if degrees == 1:
        return 2 / math.pi * angle
    for k in range(2 + odd, degrees - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def expansion(degrees: int, z: float) -> float:
    """Abramowitz and Stegun 26.7.5."""
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    fourth = (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160
    return z + first / degrees + second / degrees**2 + third / degrees**3 + fourth / degrees**4
