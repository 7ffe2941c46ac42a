"""ASHA's rule, by numbers."""

import math

import pytest

from app.sweeps.asha import goes_on, place_among, rung_epochs


@pytest.mark.parametrize(
    ("min_epochs", "factor", "epochs", "rungs"),
    [(1, 3, 10, [1, 3, 9]), (1, 3, 9, [1, 3]), (4, 2, 20, [4, 8, 16]), (5, 3, 5, []), (1, 2, 2, [1])],
)
def test_rungs_lie_below_the_end(min_epochs: int, factor: int, epochs: int, rungs: list[int]) -> None:
    assert rung_epochs(min_epochs, factor, epochs) == rungs


def test_places_by_mode_and_nan_last() -> None:
    assert place_among(0.2, [0.1, 0.3, math.nan], "min") == 2
    assert place_among(0.2, [0.1, 0.3, math.nan], "max") == 2
    assert place_among(0.1, [0.1], "min") == 1
    assert place_among(math.nan, [0.1, math.nan], "min") == 2


def test_the_best_third_goes_on_and_always_the_best() -> None:
    assert [goes_on(place, 9, 3) for place in range(1, 10)] == [True] * 3 + [False] * 6
    assert goes_on(1, 1, 3)
    assert [goes_on(place, 2, 3) for place in (1, 2)] == [True, False]
