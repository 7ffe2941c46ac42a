"""Every value of a schedule's formula is looked at, or proved finite without looking."""

import math
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.formulas import FormulaError, evaluate, parse
from app.intervals import bounds
from app.jobs.spec import SpecError, builtin_facts, resolve, validate
from app.jobs.spec.factors import BUDGET, wrong_factor
from tests.app.spec.documents import IRIS, changed
from tests.app.spec.test_formulas import formulas

HUGE = 10**9


def by_hand(text: str, total: int, *, product: bool) -> int | None:
    """The first epoch whose value, or product of values, is not finite."""
    tree, running = parse(text, ("x",)), 1.0
    for epoch in range(int(product), total + 1):
        try:
            value = evaluate(tree, {"x": float(epoch)})
        except (ArithmeticError, ValueError):
            return epoch
        running = running * value if product else value
        if not math.isfinite(running):
            return epoch
    return None


@settings(max_examples=300, deadline=None)
@given(formulas, st.integers(0, 400), st.booleans())
def test_the_first_wrong_value_is_the_one_found_by_looking_at_all(text: str, total: int, product: bool) -> None:
    try:
        wanted = by_hand(text, total, product=product)
    except FormulaError:
        return
    found = wrong_factor(text.replace("x", "epoch"), total, BUDGET, multiplies=product)
    assert (found is None) == (wanted is None), (found, wanted)
    if wanted is not None:
        assert f"at epoch = {wanted}" in str(found)


@settings(max_examples=500, deadline=None)
@given(formulas, st.integers(0, 10**6), st.integers(0, 10**4), st.randoms(use_true_random=False))
def test_bounds_hold_what_lies_between(text: str, low: int, width: int, draw: random.Random) -> None:
    try:
        tree = parse(text, ("x",))
    except FormulaError:
        return
    found = bounds(tree, "x", float(low), float(low + width))
    if found is not None:
        for x in [low, low + width, *(draw.randint(low, low + width) for _ in range(20))]:
            assert found[0] <= evaluate(tree, {"x": float(x)}) <= found[1]


@pytest.mark.parametrize(
    ("text", "total", "wrong"),
    [
        ("0.95 ** epoch", HUGE, None),
        ("where(epoch < 1000, epoch / 1000, 0.5 * (1 + cos(pi * (epoch - 1000) / 9000000)))", HUGE, None),
        ("(epoch % 10) / 10 + min(1, epoch / 5)", HUGE, None),
        ("max(epoch, 1) ** -0.5 * min(1, (epoch + 1) / 100)", HUGE, None),
        ("1 / sin(epoch + 1)", 100_000, None),
        ("1 / sin(epoch + 1)", 10**6, "too many"),
        ("1 / (epoch - 654321)", HUGE, "column 1: at epoch = 654321, / has no value: float division by zero"),
        ("1 + 1 / (epoch % 1000 - 999)", HUGE, "column 5: at epoch = 999"),
        ("2 * exp(epoch)", HUGE, "column 5: at epoch = 710, exp has no value"),
        ("1e308 * epoch", HUGE, "column 1: at epoch = 2, the value of * is not finite"),
        ("0.1 + epoch ** -0.5", HUGE, "column 7: at epoch = 0"),
        ("1 * log(0.95 ** epoch)", HUGE, "column 5: at epoch = 14527"),
    ],
)
def test_tables_of_any_length(text: str, total: int, wrong: str | None) -> None:
    found = wrong_factor(text, total, BUDGET, multiplies=False)
    assert found is None if wrong is None else wrong in str(found)


@pytest.mark.parametrize(
    ("text", "total", "wrong"),
    [
        ("0.95", HUGE, None),
        ("1.0001", 10**6, None),
        ("1 + 1 / epoch ** 2", HUGE, None),
        ("where(epoch < 5, 2, 0.99)", HUGE, None),
        ("where(epoch % 2 == 0, 1.5, 0.6)", 10_000, None),
        ("where(epoch % 2 == 0, 1.5, 0.6)", 10**6, "too many"),
        ("1.1", HUGE, "at epoch = 7448"),
        ("1 / (epoch - 30)", HUGE, "column 1: at epoch = 30"),
    ],
)
def test_products_of_any_length(text: str, total: int, wrong: str | None) -> None:
    found = wrong_factor(text, total, BUDGET, multiplies=True)
    assert found is None if wrong is None else wrong in str(found)


def test_a_list_of_the_slowest_formulas_is_refused_soon_enough() -> None:
    slow = "1 / sin(epoch + 1)" + " + 1 / sin(epoch + 2)" * 15
    scheduler = {"type": "LambdaLR", "interval": "step", "lr_lambda": [slow] * 2}
    document = changed(IRIS, {"/scheduler": scheduler, "/training/epochs": 10**6})
    document["optimizer"]["groups"] = [{"params": ".*bias", "lr": 0.1}]
    started = time.process_time()
    with pytest.raises(SpecError) as refused:
        resolve(validate(document), builtin_facts)
    assert [error["pointer"] for error in refused.value.errors] == ["/scheduler/lr_lambda/0", "/scheduler/lr_lambda/1"]
    assert time.process_time() - started < 60  # it would be hours without a limit
