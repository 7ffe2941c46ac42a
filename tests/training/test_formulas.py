"""A tree in Python floats and the same tree in tensor operations."""

import math
from typing import Any

import pytest
import torch

from worker.training.formulas import compile_tensor, evaluate_float

VALUES = {"x": 0.7, "y": -1.3, "n": 2.0}
TREES: list[tuple[Any, float]] = [
    (["*", 4.0, ["**", "x", 2.0]], 1.96),
    (["//", 7.0, "n"], 3.0),
    (["%", "y", "n"], 0.7),
    (["where", [">", "x", 0.0], "x", "y"], 0.7),
    (["where", ["<", "x", "y"], 1.0, 2.0], 2.0),
    (["+", ["<", "y", "x"], ["==", "n", 2.0]], 2.0),
    (["min", "x", "y", 5.0], -1.3),
    (["max", "x", 5.0], 5.0),
    (["clamp", "y", -1.0, 1.0], -1.0),
    (["sqrt", ["abs", "y"]], 1.140175425099138),
    (["neg", ["sign", "y"]], 1.0),
    (["floor", "y"], -2.0),
    (["exp", ["log", "x"]], 0.7),
    (["tanh", ["sin", ["cos", "x"]]], math.tanh(math.sin(math.cos(0.7)))),
]


@pytest.mark.parametrize(("tree", "value"), TREES)
def test_both_ways_agree(tree: Any, value: float) -> None:
    assert evaluate_float(tree, VALUES) == pytest.approx(value, rel=1e-12)
    tensors = {name: torch.full((3,), number, dtype=torch.float64) for name, number in VALUES.items()}
    result = compile_tensor(tree)(tensors)
    assert torch.as_tensor(result, dtype=torch.float64) == pytest.approx(value, rel=1e-12)
    assert compile_tensor(tree)(VALUES) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(("tree", "value"), TREES)
def test_each_operation_on_tensors_lets_gradients_through(tree: Any, value: float) -> None:
    names = {name: torch.tensor(number, dtype=torch.float64, requires_grad=True) for name, number in VALUES.items()}
    result = torch.as_tensor(compile_tensor(["+", tree, "x"])(names))
    assert result.item() == pytest.approx(value + 0.7, rel=1e-12)
    result.backward()
    assert names["x"].grad is not None


@pytest.mark.parametrize("tree", [["**", -8.0, 0.5], ["/", 1.0, 0.0], ["log", 0.0], ["exp", 1e4]])
def test_no_value_is_an_error(tree: Any) -> None:
    with pytest.raises((ArithmeticError, ValueError)):
        evaluate_float(tree, {})
