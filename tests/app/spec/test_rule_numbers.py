"""What an UpdateRule makes of its step is looked at for every update."""

from typing import Any

import pytest

from app.jobs.spec import SpecError, builtin_facts, resolve, validate
from tests.app.spec.documents import IRIS, changed

HUGE = 10**6


def rule(*update: str, **hyperparameters: float) -> dict[str, Any]:
    return {"type": "UpdateRule", "lr": 0.1, "hyperparameters": hyperparameters, "update": list(update)}


def sum_of(name: str, count: int) -> str:
    """Nested no deeper than it has to be."""
    return name if count == 1 else f"({sum_of(name, count // 2)} + {sum_of(name, count - count // 2)})"


def refusals(document: dict[str, Any]) -> list[dict[str, str]]:
    try:
        resolve(validate(document), builtin_facts)
    except SpecError as error:
        return [{"pointer": found["pointer"], "detail": found["detail"]} for found in error.errors]
    return []


@pytest.mark.parametrize(
    ("update", "pointer", "detail"),
    [
        (["param = param - 0.1 / (step - 5) * grad"], "0", "column 17: at step = 5, / has no value"),
        (["c = step - late", "d = 1 / c", "param = param - d * grad"], "1", "column 5: at step = 7, / has no value"),
        (["param = param - grad * exp(step * 100)"], "0", "column 24: at step = 8, exp has no value"),
        (["param = param - grad * 1e308 * (1e308 * step)"], "0", "at step = 2, the value of * is not finite"),
        (["param = where(step > 9, 1 / (step - 9), 1) * param"], "0", "at step = 9, / has no value"),
    ],
)
def test_an_update_without_a_value_is_refused_with_its_column(update: list[str], pointer: str, detail: str) -> None:
    [found] = refusals(changed(IRIS, {"/optimizer": rule(*update, late=7), "/scheduler": None}))
    assert found["pointer"] == f"/optimizer/update/{pointer}"
    assert detail in found["detail"]


def test_only_updates_that_will_come_are_looked_at() -> None:
    late = rule("param = param - lr * grad * (1 / (step - 1000))")
    steps = {"/scheduler": None, "/training/batch_size": 30, "/data/split": {"train": 120, "validation": 30}}
    document = changed(IRIS, {**steps, "/optimizer": late, "/training/epochs": 249})
    assert refusals(document) == []
    assert refusals(changed(document, {"/training/epochs": 250}))
    del document["optimizer"], document["training"]["epochs"], document["scheduler"]
    own = {"epochs": 200, "optimizer": late}
    assert refusals({**document, "phases": [own, {"epochs": 50, "optimizer": late}]}) == []
    [found] = refusals({**document, "phases": [{"epochs": 9, "optimizer": {"type": "SGD"}}, own, {"epochs": 50}]})
    assert found["pointer"] == "/phases/1/optimizer/update/0"


@pytest.mark.parametrize(
    "update",
    [
        ["a = 1 - 0.9 ** step", "b = 1 - 0.999 ** step", "param = param - lr * grad * sqrt(b) / a"],  # proved by bounds
        ["param = param - grad * (1 / sin(step))"],  # too many to be looked at: left to the run
        ["param = param - where(step > 9, grad / (step - 9), grad)"],  # a tensor, which is not chosen
        [*(f"a{n + 1} = a{n} + a{n}" for n in range(45)), "param = param - a45 * grad"],  # 2^45 operations, spelt out
        [*(f"a{n + 1} = {'(' * 28}a{n}{' + 1)' * 28}" for n in range(40)), "param = param - a40 * grad"],  # 1,120 deep
        ["a1 = " + " + ".join(["a0"] * 25), *(f"b{n} = param + {sum_of('a1', 64)}" for n in range(40)), "param = b0"],
    ],
)
def test_what_is_sound_or_cannot_be_told_is_accepted(update: list[str]) -> None:
    update = ["a0 = step", *update] if update[0].startswith("a1") else update
    assert refusals(changed(IRIS, {"/optimizer": rule(*update), "/scheduler": None, "/training/epochs": HUGE})) == []
