"""Tables whose columns have names: text columns are codes (places in their sorted values), what is missing is NaN."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from app.datasets.errors import DatasetError
from app.jobs.spec.preprocess import Impute, OneHot, Ordinal


@dataclass(frozen=True)
class Columns:
    """What is known of a matrix's columns as steps change it."""

    names: tuple[str, ...] = ()
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)
    levels: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Values of columns of few whole numbers."""

    def listed(self, name: str) -> tuple[str, ...] | tuple[int, ...]:
        """What a column's values are called."""
        return self.categories.get(name) or self.levels[name]

    def numbers(self, name: str) -> Tensor:
        """What its values are in the matrix, in ascending order, float64."""
        return torch.tensor(self.levels.get(name) or range(len(self.categories[name])), dtype=torch.float64)


def one_hot(step: OneHot, columns: Columns) -> tuple[Columns, Callable[[Tensor], Tensor]]:
    """Each named column gives way to one for each of its values, in its place: the new names, and what makes them."""
    names: list[str] = []
    for name in columns.names:
        values = columns.listed(name) if name in step.columns else ()
        names += [f"{name}={value}" for value in values] if name in step.columns else [name]
    return replace(columns, names=tuple(names)), lambda rows: _expand(rows, step, columns)


def _expand(rows: Tensor, step: OneHot, columns: Columns) -> Tensor:
    made = []
    for place, name in enumerate(columns.names):
        column = rows[:, place : place + 1].double()
        if name in step.columns:
            numbers = columns.numbers(name)
            _require_known(column, numbers, name)
            column = (column == numbers).double()
        made.append(column)
    return torch.cat(made, 1)


def _require_known(column: Tensor, numbers: Tensor, name: str) -> None:
    """Raises DatasetError for a value that only another part of the data has."""
    strange = column[~torch.isin(column, numbers)]
    if len(strange):
        raise DatasetError(f"{strange.flatten()[0]:g} is no value of the training part", column=name)


def ordinal(step: Ordinal, columns: Columns) -> Callable[[Tensor], Tensor]:
    """Whole numbers give way to their places among their values; texts are codes already."""

    def apply(rows: Tensor) -> Tensor:
        made = rows.double().clone()
        for place, name in enumerate(columns.names):
            if name in step.columns and name in columns.levels:
                column, numbers = made[:, place].contiguous(), columns.numbers(name)
                _require_known(column, numbers, name)
                made[:, place] = torch.searchsorted(numbers, column).double()
        return made

    return apply


def fill_values(step: Impute, train: Tensor) -> Tensor:
    """Per column, the training part's mean, median or most frequent value (the smallest of equals); 0 for none."""
    train = train.double()
    values = []
    for column in train.reshape(len(train), -1).unbind(1):
        known = column[~column.isnan()]
        if len(known) == 0:
            values.append(torch.tensor(0.0, dtype=torch.float64))
        elif step.strategy == "mean":
            values.append(known.mean())
        elif step.strategy == "median":
            values.append(torch.from_numpy(np.median(known.numpy(), keepdims=True))[0])  # torch.quantile takes 2**24
        else:
            found, counts = torch.unique(known, return_counts=True)
            values.append(found[counts.argmax()])
    return torch.stack(values).reshape(train.shape[1:])
