"""The tables of LambdaLR and MultiplicativeLR: a factor for each epoch or step, looked at at submit."""

import math
from collections.abc import Iterator

from app.formulas import Tree, compile_float, parse
from app.jobs.spec.base import Complaint
from app.jobs.spec.phases import Path
from app.jobs.spec.schedulers import Composition, LambdaLR, MultiplicativeLR, Scheduler

# Operations a spec may cost here, all formulas together: about half a second.
BUDGET = 3_000_000
LEAST = 1_000  # values of each formula that are always looked at


def count_formulas(scheduler: Scheduler) -> int:
    """All formulas in a scheduler, at any depth."""
    if isinstance(scheduler, Composition):
        return sum(count_formulas(inner) for inner in scheduler.schedulers)
    return len(_texts(scheduler)) if isinstance(scheduler, LambdaLR | MultiplicativeLR) else 0


def factor_complaints(
    scheduler: LambdaLR | MultiplicativeLR, total: int, formulas: int, path: Path
) -> Iterator[Complaint]:
    """A formula without a finite value somewhere in 0..total. `formulas`: how many share the budget.

    Tables beyond the budget are looked at whole at their beginning, then at even distances up to their end.
    """
    listed = isinstance(scheduler.lr_lambda, list)
    for index, text in enumerate(_texts(scheduler)):
        where = (*path, "lr_lambda", index) if listed else (*path, "lr_lambda")
        tree = parse(text, ("epoch",))
        values = max(LEAST, BUDGET // (formulas * count_operations(tree)))
        wrong = _first_wrong(tree, total, values, multiplies=isinstance(scheduler, MultiplicativeLR))
        if wrong is not None:
            yield Complaint(where, wrong)


def count_operations(tree: Tree) -> int:
    return 1 + sum(count_operations(argument) for argument in tree[1:]) if isinstance(tree, list) else 1


def _texts(scheduler: LambdaLR | MultiplicativeLR) -> list[str]:
    return scheduler.lr_lambda if isinstance(scheduler.lr_lambda, list) else [scheduler.lr_lambda]


def _first_wrong(tree: Tree, total: int, values: int, *, multiplies: bool) -> str | None:
    """torch asks for one value more than there are steps; MultiplicativeLR asks from 1 on and multiplies."""
    factor, product = compile_float(tree, "epoch"), 1.0
    for epoch in _places(int(multiplies), total, values):
        try:
            value = factor(float(epoch))
        except (ArithmeticError, ValueError) as error:
            return f"has no value at epoch = {epoch}: {error}"
        product = product * value if multiplies else value
        if not math.isfinite(product):
            return f"is not finite at epoch = {epoch}"
    return None


def _places(first: int, total: int, values: int) -> Iterator[int]:
    if total - first < values:
        yield from range(first, total + 1)
        return
    half = values // 2
    yield from range(first, first + half)
    yield from range(first + half, total, max(1, (total - half) // half))
    yield total
