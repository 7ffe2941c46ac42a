"""The tables of LambdaLR and MultiplicativeLR: a factor for each epoch or step, looked at whole at submit.

Most tables are proved finite by interval arithmetic, piece by piece; what no proof covers is worked out value by value
as the engine does it. A table that is too large for both is refused.
"""

import heapq
import math
from collections.abc import Iterator

from app.formulas import Tree, compile_float, parse, where_not_finite
from app.intervals import bounds
from app.jobs.spec.base import Complaint
from app.jobs.spec.phases import Path
from app.jobs.spec.schedulers import Composition, LambdaLR, MultiplicativeLR, Scheduler

# Operations a spec may cost here, all formulas together: about a second.
BUDGET = 3_000_000
PIECE_COST = 10  # bounds of a piece against one value
FEW = 64  # values that are worked out rather than cut into pieces
PARTS = 8  # into which a piece is cut
LARGEST = math.log(1e300)


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
        table = _Table(text, total, BUDGET // formulas)
        wrong = table.wrong_product() if multiplies else table.wrong_value()
        if wrong is not None:
            yield Complaint(where, wrong)


class _TooLarge(Exception):
    """The budget is used up."""


class _Table:
    """The values of one formula at 0..total."""

    def __init__(self, text: str, total: int, budget: int) -> None:
        self.text, self.total = text, total
        self.tree = parse(text, ("epoch",))
        self.factor = compile_float(self.tree, "epoch")
        self.budget, self.cost = budget, count_operations(self.tree)

    def wrong_value(self) -> str | None:
        """A sentence on the first value that is not finite."""
        waiting = [(0, self.total)]
        try:
            while waiting:
                first, last = waiting.pop()
                if self.bounds(first, last) is None:
                    if last - first >= FEW:
                        waiting += reversed(list(pieces(first, last)))
                    elif (wrong := self.wrong_among(first, last)) is not None:
                        return wrong
        except _TooLarge:
            return self.too_large()
        return None

    def wrong_product(self) -> str | None:
        """A sentence on the first product of the values from 1 on that is not finite."""
        try:
            if self.product_is_bounded():
                return None
            product = 1.0
            for epoch in range(1, self.total + 1):
                self.spend(self.cost)
                product *= self.value(epoch)
                if not math.isfinite(product):
                    return f"multiplies to a factor that is not finite at epoch = {epoch}"
        except _TooLarge:
            return self.too_large()
        except (ArithmeticError, ValueError):
            return self.fault(epoch)
        return None

    def product_is_bounded(self) -> bool:
        """Whether the product of the values' bounds is finite: the piece that brings in the most is cut first."""
        left = self.budget // 2
        heap = [self.growth(1, max(1, self.total))]
        while (grown := math.fsum(-growth for growth, _, _ in heap)) >= LARGEST:
            _, first, last = heapq.heappop(heap)
            left -= PARTS * (PIECE_COST * self.cost + len(heap))
            if first == last or left < 0:
                return False
            for piece in pieces(first, last):
                heapq.heappush(heap, self.growth(*piece))
        return grown < LARGEST

    def growth(self, first: int, last: int) -> tuple[float, int, int]:
        """The logarithm by which a product may grow over a piece, negated for the heap."""
        found = bounds(self.tree, "epoch", float(first), float(last))
        if found is None:
            return -math.inf, first, last
        return -math.log(max(1.0, abs(found[0]), abs(found[1]))) * (last - first + 1), first, last

    def bounds(self, first: int, last: int) -> tuple[float, float] | None:
        self.spend(PIECE_COST * self.cost)
        return bounds(self.tree, "epoch", float(first), float(last))

    def wrong_among(self, first: int, last: int) -> str | None:
        self.spend(self.cost * (last - first + 1))
        for epoch in range(first, last + 1):
            try:
                if not math.isfinite(self.value(epoch)):
                    return self.fault(epoch)
            except (ArithmeticError, ValueError):
                return self.fault(epoch)
        return None

    def value(self, epoch: int) -> float:
        return self.factor(float(epoch))

    def spend(self, operations: int) -> None:
        self.budget -= operations
        if self.budget < 0:
            raise _TooLarge

    def fault(self, epoch: int) -> str:
        found = where_not_finite(self.text, {"epoch": float(epoch)})
        assert found is not None
        return f"column {found.column}: at epoch = {epoch}, {found.detail}"

    def too_large(self) -> str:
        return (
            f"its {self.total + 1:,} values are too many to be looked at, and nothing shows that all are finite: "
            "write a simpler formula, or let it step by epoch"
        )


def pieces(first: int, last: int) -> Iterator[tuple[int, int]]:
    """first..last cut into PARTS; the early ones are small, since that is where formulas change most."""
    size = -(-(last - first + 1) // PARTS)
    for start in range(first, last + 1, size):
        yield start, min(start + size - 1, last)


def count_operations(tree: Tree) -> int:
    return 1 + sum(count_operations(argument) for argument in tree[1:]) if isinstance(tree, list) else 1


def _texts(scheduler: LambdaLR | MultiplicativeLR) -> list[str]:
    return scheduler.lr_lambda if isinstance(scheduler.lr_lambda, list) else [scheduler.lr_lambda]
