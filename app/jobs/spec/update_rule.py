"""The user's own optimizer: formulas over each parameter, elementwise."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from app.formulas import MAX_LENGTH, WORDS, FormulaError, Tree, evaluate, names_in, parse_assignment
from app.jobs.spec.base import Complaint, NonNegative, Number, Single
from app.jobs.spec.optimizer import Optimizer

GIVEN = ("param", "grad", "lr", "step", "noise")
Formula = Annotated[str, Field(max_length=MAX_LENGTH)]
Name = Annotated[str, Field(max_length=64)]
Numbers = Annotated[dict[Name, Number], Field(max_length=50)]
Singles = Annotated[dict[Name, Single], Field(max_length=50)]


class UpdateRule(Optimizer):
    """Formulas run in order over `param`, `grad`, `lr`, `step`, `noise`, hyperparameters, state and temporaries."""

    type: Literal["UpdateRule"] = "UpdateRule"
    lr: NonNegative
    hyperparameters: Numbers = {}
    state: Singles = {}
    update: Annotated[list[Formula], Field(min_length=1, max_length=50)]

    @classmethod
    def group_keys(cls) -> list[str]:
        return ["lr"]

    def trees(self) -> list[tuple[str, Tree]]:
        """Each formula as its target and the tree of its value. Raises FormulaError."""
        return list(self.read_at(1.0))

    def read_at(self, step: float) -> Iterator[tuple[str, Tree]]:
        """`trees`, with an eye on this update's numbers: all else is a tensor, or the rate. Raises FormulaError."""
        known = {*GIVEN, *self.hyperparameters, *self.state}
        numbers = {**self.hyperparameters, "step": step}
        for formula in self.update:
            target, tree = parse_assignment(formula, known, numbers)
            yield target, tree
            known.add(target)
            if names_in(tree) <= numbers.keys():
                numbers[target] = evaluate(tree, numbers)
            else:
                numbers.pop(target, None)

    def rules(self) -> Iterator[Complaint]:
        for key in ("hyperparameters", "state"):
            for name in getattr(self, key):
                if not (name.isascii() and name.isidentifier()) or name in WORDS:
                    yield Complaint(
                        (key, name), "is not a name: letters, digits and _, no word of the formula language"
                    )
                elif name in GIVEN:
                    yield Complaint((key, name), "is given by the service: choose another name")
                elif key == "state" and name in self.hyperparameters:
                    yield Complaint((key, name), "is a hyperparameter already")
        yield from self._update_complaints()

    def _update_complaints(self) -> Iterator[Complaint]:
        fixed = {*GIVEN, *self.hyperparameters, *WORDS} - {"param"}
        targets, reading = set(), self.read_at(1.0)
        for index, formula in enumerate(self.update):
            try:
                target, _ = next(reading)
            except FormulaError as error:
                yield Complaint(("update", index), str(error))
                return
            if target in fixed:
                column = len(formula) - len(formula.lstrip(" ")) + 1
                yield Complaint(("update", index), f"column {column}: {target} cannot be assigned to")
            targets.add(target)
        if "param" not in targets:
            yield Complaint(("update",), "no formula assigns to param: nothing would be learned")
        for name in self.state:
            if name not in targets:
                yield Complaint(("state", name), "no formula assigns to it: make it a hyperparameter")
