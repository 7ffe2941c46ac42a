"""Student's t against scipy, and what few numbers tell."""

import pytest
from scipy import stats

from app.sweeps.student import quantile, summary


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 5, 9, 30, 199, 200, 201, 1000, 9999])
def test_the_quantile_is_scipys(degrees: int) -> None:
    assert quantile(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=1e-11)


def test_mean_deviation_and_interval() -> None:
    values = [0.5, 0.75, 0.25, 1.0]
    low, high = stats.t.interval(0.95, 3, loc=0.625, scale=stats.sem(values))
    assert summary(values) == {
        "n": 4,
        "mean": 0.625,
        "deviation": pytest.approx(0.3227486121839514),
        "interval": [pytest.approx(low), pytest.approx(high)],
    }


def test_one_number_has_no_interval_and_none_no_mean() -> None:
    assert summary([2.0]) == {"n": 1, "mean": 2.0, "deviation": None, "interval": None}
    assert summary([]) == {"n": 0, "mean": None, "deviation": None, "interval": None}
