"""What `over`, `zip` and `search` make: which points, in which order, and what they refuse."""

from typing import Any

import numpy as np
import pytest

from app.errors import InvalidPayload
from app.sweeps.axes import read_axis
from app.sweeps.points import expand
from app.sweeps.schemas import Asha, Grid, Random


def grid(over: dict[str, Any], *zipped: list[str]) -> list[dict[str, Any]]:
    return expand(over, zipped, Grid())


def test_the_first_key_varies_slowest() -> None:
    assert grid({"/optimizer/lr": [0.1, 0.01], "/seed": {"range": [0, 3]}}) == [
        {"/optimizer/lr": 0.1, "/seed": 0},
        {"/optimizer/lr": 0.1, "/seed": 1},
        {"/optimizer/lr": 0.1, "/seed": 2},
        {"/optimizer/lr": 0.01, "/seed": 0},
        {"/optimizer/lr": 0.01, "/seed": 1},
        {"/optimizer/lr": 0.01, "/seed": 2},
    ]


@pytest.mark.parametrize("arguments", [[0.01, 0.2, 10], [0, 1, 3], [-1.0, 1.0, 7], [5, 1, 4], [2, 3, 1]])
def test_linspace_is_numpys_to_the_bit(arguments: list[Any]) -> None:
    assert read_axis({"linspace": arguments}).values == np.linspace(*arguments).tolist()


def test_logspace_takes_logarithms() -> None:
    assert read_axis({"logspace": [-3, 0, 4]}).values == [0.001, 0.01, 0.1, 1.0]


def test_zipped_keys_move_together_in_the_place_of_the_first() -> None:
    over = {"/a": [1, 2], "/b": ["x", "y"], "/c": {"range": [10, 12]}}
    assert [tuple(point.values()) for point in grid(over, ["/c", "/a"])] == [
        (1, 10, "x"), (1, 10, "y"), (2, 11, "x"), (2, 11, "y"),
    ]  # fmt: skip


def test_random_points_are_drawn_by_the_seed_and_fewer_are_the_first_of_more() -> None:
    over = {"/lr": {"loguniform": [1e-4, 1e-1]}, "/p": {"uniform": [0.2, 0.4]}, "/n": {"choice": [8, 16]}, "/s": [1, 2]}
    points = expand(over, [], Random(trials=200, seed=1))
    assert points == expand(over, [], Random(trials=200, seed=1))
    assert points[:20] == expand(over, [], Asha(trials=20, seed=1))
    assert points != expand(over, [], Random(trials=200, seed=2))
    assert all(1e-4 <= point["/lr"] <= 1e-1 and 0.2 <= point["/p"] <= 0.4 for point in points)
    assert 60 < sum(point["/lr"] < 1e-3 for point in points) < 75  # a third of the logarithms
    assert {point["/n"] for point in points} == {8, 16}
    assert {point["/s"] for point in points} == {1, 2}


def test_ten_thousand_points_are_the_most() -> None:
    over = {"/a": {"range": [0, 100]}, "/b": {"range": [0, 100]}}
    assert len(grid(over)) == 10_000
    with pytest.raises(InvalidPayload, match="makes 20000 points; at most 10000"):
        grid(over | {"/c": [1, 2]})


@pytest.mark.parametrize(
    ("over", "zipped", "pointer", "detail"),
    [
        ({"lr": [1]}, [], "/over/lr", "is not a JSON pointer"),
        ({"/a/b": []}, [], "/over/~1a~1b", "must have 1 to 10000 values, not 0"),
        ({"/a": 1}, [], "/over/~1a", "must be a list of values"),
        ({"/a": {"rang": [0, 1]}}, [], "/over/~1a", "must be a list of values"),
        ({"/a": {"range": [0, 1], "choice": [1]}}, [], "/over/~1a", "must be a list of values"),
        ({"/a": {"range": [3, 3]}}, [], "/over/~1a", "range must have 1 to 10000 values, not 0"),
        ({"/a": {"range": [0, 10**9]}}, [], "/over/~1a", "range must have 1 to 10000 values"),
        ({"/a": {"range": [0.5, 2]}}, [], "/over/~1a", "range takes two whole numbers"),
        ({"/a": {"linspace": [0, 1]}}, [], "/over/~1a", "linspace takes two numbers and how many"),
        ({"/a": {"linspace": [0, True, 3]}}, [], "/over/~1a", "linspace takes two numbers and how many"),
        ({"/a": {"logspace": [0, 400, 2]}}, [], "/over/~1a", "takes the logarithms of its ends"),
        ({"/a": {"uniform": [0, 1]}}, [], "/over/~1a", "search must be random or asha"),
        ({"/a": {"uniform": [1, 0]}}, [], "/over/~1a", "the smaller one first"),
        ({"/a": {"loguniform": [0, 1]}}, [], "/over/~1a", "takes positive numbers"),
        ({"/a/b": [1], "/a": [1]}, [], "/over/~1a", "would replace the values of /a/b"),
        ({"/a": [1, 2], "/b": [1]}, [["/a", "/b"]], "/zip/0", "as many values"),
        ({"/a": [1, 2]}, [["/a", "/b"]], "/zip/0", "names /b, which is no key of over"),
        ({"/a": [1, 2]}, [["/a"]], "/zip/0", "two or more"),
        ({"/a": [1], "/b": [1], "/c": [1]}, [["/a", "/b"], ["/b", "/c"]], "/zip/1", "moves with other keys already"),
    ],
)
def test_what_is_wrong_is_refused_with_its_pointer(over: Any, zipped: Any, pointer: str, detail: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        expand(over, zipped, Grid())
    assert caught.value.errors[0]["pointer"] == pointer
    assert detail in caught.value.errors[0]["detail"]
