"""Formulas of one whole number, looked at whole at submit.

Most tables are proved finite by interval arithmetic, piece by piece; what no proof covers is worked out value by value
as the engine does it.
"""

import heapq
import math
from collections.abc import Callable, Iterator, Mapping

from app.formulas import Tree, compile_float
from app.intervals import bounds

# Operations a spec may cost here, all formulas together: about a second.
BUDGET = 3_000_000
PIECE_COST = 10  # bounds of a piece against one value
FEW = 64  # values that are worked out rather than cut into pieces
PARTS = 8  # into which a piece is cut
LARGEST = math.log(1e300)


class TooLarge(Exception):
    """The budget is used up."""


class Table:
    """The values of a tree of one name at whole numbers from `first` to `last`.

    `fault` says what is wrong with one of them; both checks raise TooLarge.
    """

    def __init__(
        self, tree: Tree, name: str, first: int, last: int, budget: int, fault: Callable[[int], str | None]
    ) -> None:
        self.tree, self.name, self.first, self.last = tree, name, first, last
        self.factor = compile_float(tree, name)
        self.budget, self.cost, self.fault = budget, count_operations(tree, {}), fault

    def wrong_value(self) -> str | None:
        """A sentence on the first value that is not finite."""
        waiting = [(self.first, self.last)]
        while waiting:
            first, last = waiting.pop()
            if self.bounds(first, last) is None:
                if last - first >= FEW:
                    waiting += reversed(list(pieces(first, last)))
                elif (wrong := self.wrong_among(first, last)) is not None:
                    return wrong
        return None

    def wrong_product(self) -> str | None:
        """A sentence on the first product of the values so far that is not finite."""
        if self.product_is_bounded():
            return None
        product = 1.0
        for at in range(self.first, self.last + 1):
            self.spend(self.cost)
            try:
                product *= self.value(at)
            except (ArithmeticError, ValueError):
                return self.fault(at)
            if not math.isfinite(product):
                return f"multiplies to a factor that is not finite at {self.name} = {at}"
        return None

    def product_is_bounded(self) -> bool:
        """Whether the product of the values' bounds is finite: the piece that brings in the most is cut first."""
        left = self.budget // 2
        heap = [self.growth(self.first, max(self.first, self.last))]
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
        found = bounds(self.tree, self.name, float(first), float(last))
        if found is None:
            return -math.inf, first, last
        return -math.log(max(1.0, abs(found[0]), abs(found[1]))) * (last - first + 1), first, last

    def bounds(self, first: int, last: int) -> tuple[float, float] | None:
        self.spend(PIECE_COST * self.cost)
        return bounds(self.tree, self.name, float(first), float(last))

    def wrong_among(self, first: int, last: int) -> str | None:
        self.spend(self.cost * (last - first + 1))
        for at in range(first, last + 1):
            try:
                if not math.isfinite(self.value(at)):
                    return self.fault(at)
            except (ArithmeticError, ValueError):
                return self.fault(at)
        return None

    def value(self, at: int) -> float:
        return self.factor(float(at))

    def spend(self, operations: int) -> None:
        self.budget -= operations
        if self.budget < 0:
            raise TooLarge


def pieces(first: int, last: int) -> Iterator[tuple[int, int]]:
    """first..last cut into PARTS; the early ones are small, since that is where formulas change most."""
    size = -(-(last - first + 1) // PARTS)
    for start in range(first, last + 1, size):
        yield start, min(start + size - 1, last)


def count_operations(tree: Tree, sizes: Mapping[str, int]) -> int:
    """Operations and leaves; `sizes`: of names that stand for trees themselves."""
    if isinstance(tree, list):
        return 1 + sum(count_operations(argument, sizes) for argument in tree[1:])
    return sizes.get(tree, 1) if isinstance(tree, str) else 1
