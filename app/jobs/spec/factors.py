"""The tables of LambdaLR and MultiplicativeLR: a factor for each epoch or step. One that is too large is refused."""

from collections.abc import Iterator

from app.formulas import parse, where_not_finite
from app.jobs.spec.base import Complaint
from app.jobs.spec.phases import Path
from app.jobs.spec.schedulers import Composition, LambdaLR, MultiplicativeLR, Scheduler
from app.jobs.spec.tables import BUDGET, Table, TooLarge


def count_formulas(scheduler: Scheduler) -> int:
    """All formulas in a scheduler, at any depth."""
    if isinstance(scheduler, Composition):
        return sum(count_formulas(inner) for inner in scheduler.schedulers)
    return len(_texts(scheduler)) if isinstance(scheduler, LambdaLR | MultiplicativeLR) else 0


def factor_complaints(
    scheduler: LambdaLR | MultiplicativeLR, total: int, formulas: int, path: Path
) -> Iterator[Complaint]:
    """A formula without a finite value somewhere in 0..total. `formulas`: how many share the budget.

    torch asks for one value more than there are steps; MultiplicativeLR asks from 1 on and multiplies.
    """
    listed = isinstance(scheduler.lr_lambda, list)
    multiplies = isinstance(scheduler, MultiplicativeLR)
    for index, text in enumerate(_texts(scheduler)):
        where = (*path, "lr_lambda", index) if listed else (*path, "lr_lambda")
        wrong = wrong_factor(text, total, BUDGET // formulas, multiplies=multiplies)
        if wrong is not None:
            yield Complaint(where, wrong)


def wrong_factor(text: str, total: int, budget: int, *, multiplies: bool) -> str | None:
    """A sentence on the first value, or product of values from 1 on, that is not finite."""

    def fault(epoch: int) -> str:
        found = where_not_finite(text, {"epoch": float(epoch)})
        assert found is not None
        return f"column {found.column}: at epoch = {epoch}, {found.detail}"

    table = Table(parse(text, ("epoch",)), "epoch", int(multiplies), total, budget, fault)
    try:
        return table.wrong_product() if multiplies else table.wrong_value()
    except TooLarge:
        return (
            f"its {total + 1:,} values are too many to be looked at, and nothing shows that all are finite: "
            "write a simpler formula, or let it step by epoch"
        )


def _texts(scheduler: LambdaLR | MultiplicativeLR) -> list[str]:
    return scheduler.lr_lambda if isinstance(scheduler.lr_lambda, list) else [scheduler.lr_lambda]
