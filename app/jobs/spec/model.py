"""What all models share."""

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from app.jobs.spec.base import Boolean, Complaint, Component, Section
from app.jobs.spec.initialization import INITIALIZERS, Initializer
from app.jobs.spec.patterns import Pattern, compile_pattern

Reference = Annotated[str, Field(min_length=1, max_length=100)]
REFERENCE = re.compile(r"\\([1-9][0-9]?)")
Rename = tuple[Pattern, Annotated[str, Field(max_length=200)]]


class InitialWeights(Section):
    """Weights of another job's checkpoint, or of an upload, perhaps in part and under other names.

    `params` takes some of the model's own names; `rename` gives the file's names new ones first.
    """

    job: Reference | None = None
    checkpoint: Reference | None = None
    upload: Reference | None = None
    params: Pattern | None = None
    rename: Annotated[list[Rename], Field(max_length=100)] = []
    strict: Boolean = True

    def rules(self) -> Iterator[Complaint]:
        if (self.job is None) == (self.upload is None):
            yield Complaint((), "give either job or upload")
        if self.checkpoint is not None and self.job is None:
            yield Complaint(("checkpoint",), "is for a job's weights")
        for index, (pattern, replacement) in enumerate(self.rename):
            groups = compile_pattern(pattern).groups
            references = REFERENCE.findall(replacement)
            if "\\" in REFERENCE.sub("", replacement) or any(int(number) > groups for number in references):
                detail = f"a backslash is followed by the number of one of the pattern's {groups} groups"
                yield Complaint(("rename", index, 1), detail)


class Model(Component):
    """What all share: `initialization`, drawn after construction in the list's order."""

    initial_weights: InitialWeights | None = None
    initialization: Annotated[list[Annotated[Initializer, INITIALIZERS]], Field(max_length=100)] = []

    trains_on_data: ClassVar[bool] = True
    # What patterns are matched with: the contract's names, `{i}` counting from 0.
    parameter_names: ClassVar[tuple[str, ...]] = ()

    @property
    def ends_in(self) -> str:
        """The type of the layer that the outputs' values come from."""
        return "Linear"
