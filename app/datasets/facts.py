"""What the spec's checks need to know of a data set."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self


@dataclass(frozen=True)
class Facts:
    """One part of data, or all of it before the split.

    `shape` is one sample's, without the batch; `classes` is None where the targets are numbers, `target_width` of them:
    0 where nothing is the target.
    `class_counts` (samples of each class, in class order) are needed for a stratified split only.
    """

    samples: int
    shape: tuple[int, ...]
    dtype: str = "float64"
    classes: int | None = None
    target_width: int = 1
    class_counts: tuple[int, ...] = ()
    reference: str = ""  # what stands in the resolved spec: a built-in name or an id
    vocabulary: int | None = None
    target_shape: tuple[int, ...] | None = (
        None  # beyond the batch, where a target is more than one class or row of numbers
    )

    class_names: tuple[str | int, ...] = ()  # what each class is called; none: 0, 1, …
    targets: tuple[str, ...] = ()  # names of the targets' columns, where they have names
    columns: tuple[str, ...] = ()  # names of the features, where they have names
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # values of text columns
    levels: Mapping[str, tuple[int, ...]] = field(default_factory=dict)  # values of columns of few whole numbers
    missing: tuple[str, ...] = ()  # columns with missing values
    parts: Mapping[str, int] = field(default_factory=dict)  # samples of its own "validation" and "test" parts

    def with_shape(self, shape: tuple[int, ...], dtype: str = "float64") -> Self:
        return replace(self, shape=shape, dtype=dtype)


class UnknownDataset(LookupError):
    """No data set of that name or id; the message is a sentence for the client."""


class FactsOf(Protocol):
    """Facts of a data set by its name or id and the spec's `columns`. Raises UnknownDataset or DatasetError."""

    def __call__(self, reference: str, columns: Mapping[str, Any] | None = None, /) -> Facts: ...
