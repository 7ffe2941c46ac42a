"""What every format is read as: named columns with one value a sample, handed out in batches."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from app.datasets.errors import DatasetError, DatasetTooLarge
from app.datasets.limits import MAX_COLUMNS, MAX_RATIO, RATIO_FROM_BYTES

Values = NDArray[Any] | list[str | None]
"""One column's values in a batch: an array [rows, ...] of numbers (missing: NaN), or text (missing: None)."""
Rows = dict[str, Values]
Names = Sequence[str]
Types = Mapping[str, str]
"""What a first pass found a text format's columns to be: "number" or "text" by name."""

BATCH_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Table:
    """A data set that is read as often as `batches` is called, never as a whole.

    `default_target` is the column that this format, or the custom of names, makes the label.
    """

    names: list[str]
    batches: Callable[[Names], Iterator[Rows]]
    types: Types
    default_target: str | None = None
    warnings: tuple[str, ...] = ()


def guess_target(names: Names) -> str | None:
    """The column that custom makes the label."""
    return next((name for name in ("target", "targets", "label", "labels", "y") if name in names), None)


def rows_at_once(bytes_per_row: int) -> int:
    return max(1, BATCH_BYTES // max(1, bytes_per_row))


def check_ratio(decoded: int, stored: int) -> None:
    """Raises DatasetTooLarge for what is packed too tightly to be data."""
    if decoded > RATIO_FROM_BYTES and decoded > MAX_RATIO * stored:
        raise DatasetTooLarge(f"decompresses to {decoded // max(1, stored):,} times its size: more than {MAX_RATIO}")


def no_such_column(name: str, names: Names) -> DatasetError:
    offered = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return DatasetError(f"there is no column {name[:100]!r}; there are: {offered}")


def check_names(names: list[str]) -> None:
    """Columns are called by name, so each needs one of its own."""
    if len(names) > MAX_COLUMNS:
        raise DatasetError(f"{len(names):,} columns are more than {MAX_COLUMNS:,}")
    for index, name in enumerate(names, 1):
        if not name:
            hint = " (pandas writes its index so: to_csv(index=False) leaves it out)" if index == 1 else ""
            raise DatasetError(f"column {index} has no name{hint}")
        if len(name) > 200 or not name.isprintable():
            raise DatasetError(f"the name of column {index} is longer than 200 characters or not printable")
    if len(set(names)) < len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise DatasetError(f"two columns are called {double!r}")
