"""What an UpdateRule makes of its hyperparameters and `step` alone: looked at for every update at submit.

A tensor may become infinite where a `where` does not choose it; a number that has no value ends the run. What is too
large to be looked at is left to the run, which fails with the formula and the step.
"""

from collections.abc import Container, Iterator, Mapping

from app.formulas import FormulaError, Tree, names_in
from app.jobs.spec.base import Complaint
from app.jobs.spec.phases import Path
from app.jobs.spec.tables import Table, TooLarge, count_operations
from app.jobs.spec.update_rule import UpdateRule

MOST_OPERATIONS = 300
"""Of all numbers of a rule, each with all that it is made of: names of names grow fast, in size and in depth."""


def rule_complaints(rule: UpdateRule, steps: int, budget: int, path: Path) -> Iterator[Complaint]:
    """A number without a finite value in one of the updates 1..steps."""
    found = list(step_numbers(rule))
    for index, tree in found:
        table = Table(tree, "step", 1, steps, budget // len(found), lambda step: wrong_at(rule, step))
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
    sizes, left = dict.fromkeys(numbers, 1), MOST_OPERATIONS
    for index, (target, tree) in enumerate(rule.trees()):
        is_number = names_in(tree) <= numbers.keys()
        for part in number_parts(tree, numbers):
            size = count_operations(part, sizes)
            left -= size
            if left < 0:
                return
            spelt_out = put_in(part, numbers)
            if "step" in names_in(spelt_out):
                yield index, spelt_out
        if is_number:  # then the one part is all of it
            numbers[target], sizes[target] = spelt_out, size
        else:
            numbers.pop(target, None)


def number_parts(tree: Tree, numbers: Container[str]) -> Iterator[Tree]:
    """The largest parts that are made of numbers alone: all of the tree, if it is."""
    if all(name in numbers for name in names_in(tree)):
        yield tree
    elif isinstance(tree, list):
        for argument in tree[1:]:
            yield from number_parts(argument, numbers)


def put_in(tree: Tree, numbers: Mapping[str, Tree]) -> Tree:
    """The tree with what the numbers are made of in place of their names."""
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
