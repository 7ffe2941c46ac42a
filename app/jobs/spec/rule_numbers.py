"""What an UpdateRule makes of its hyperparameters and `step` alone: looked at for every update at submit.

A tensor may become infinite where a `where` does not choose it; a number that has no value ends the run. What is too
large to be looked at is left to the run, which fails with the formula and the step.
"""

from collections.abc import Iterator, Mapping

from app.formulas import FormulaError, Tree, names_in
from app.jobs.spec.base import Complaint
from app.jobs.spec.phases import Path
from app.jobs.spec.tables import BUDGET, Table, TooLarge, count_operations
from app.jobs.spec.update_rule import UpdateRule

MOST_OPERATIONS = 1000
"""Of a number with all that it is made of: names of names grow fast."""


def rule_complaints(rule: UpdateRule, steps: int, path: Path) -> Iterator[Complaint]:
    """A number without a finite value in one of the updates 1..steps."""
    found = list(step_numbers(rule))
    for index, tree in found:
        table = Table(tree, "step", 1, steps, BUDGET // len(found), lambda step: wrong_at(rule, step))
        try:
            wrong = table.wrong_value()
        except TooLarge:
            continue
        if wrong is not None:
            yield Complaint((*path, "update", index), wrong)
            return  # the formulas after it may read what it assigns


def step_numbers(rule: UpdateRule) -> Iterator[tuple[int, Tree]]:
    """The largest parts of each formula that are numbers and change with the step, as trees of `step` alone."""
    numbers: dict[str, Tree] = {**rule.hyperparameters, "step": "step"}
    for index, (target, tree) in enumerate(rule.trees()):
        for part in number_parts(tree, numbers):
            if "step" in names_in(part):
                yield index, part
        whole = spelt_out(tree, numbers)
        if whole is None:
            numbers.pop(target, None)
        else:
            numbers[target] = whole


def number_parts(tree: Tree, numbers: Mapping[str, Tree]) -> Iterator[Tree]:
    whole = spelt_out(tree, numbers)
    if whole is not None:
        yield whole
    elif isinstance(tree, list):
        for argument in tree[1:]:
            yield from number_parts(argument, numbers)


def spelt_out(tree: Tree, numbers: Mapping[str, Tree]) -> "Tree | None":
    """The tree with numbers in place of their names; None where it is none itself, or too large."""
    if not names_in(tree) <= numbers.keys():
        return None
    whole = put_in(tree, numbers)
    return whole if count_operations(whole) <= MOST_OPERATIONS else None


def put_in(tree: Tree, numbers: Mapping[str, Tree]) -> Tree:
    if isinstance(tree, str):
        return numbers[tree]
    return [tree[0], *(put_in(argument, numbers) for argument in tree[1:])] if isinstance(tree, list) else tree


def wrong_at(rule: UpdateRule, step: int) -> str | None:
    """What stands in the way of this update."""
    try:
        for _ in rule.read_at(float(step)):
            pass
    except FormulaError as error:
        return f"column {error.column}: at step = {step}, {error.detail}"
    return None
