"""One pass over a data set: how many samples, and of each column its type, range, missing values and classes."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.datasets.errors import DatasetError, DatasetTooLarge
from app.datasets.formats import Description, Files
from app.datasets.limits import MAX_CLASSES, Limits
from app.datasets.readers import Values, read

MAX_VALUES = 1_000  # of a column that is not the target
MAX_VALUE_CHARACTERS = 200  # a longer text is no category
MAX_LISTED = 50_000  # values listed in a description, all columns together


def describe(format: str, files: Files, target: str | None, limits: Limits) -> Description:
    """Look at every value. Raises DatasetError with row and column for what cannot be trained on."""
    table = read(format, files, limits)
    target = _check_target(format, table.names, target or table.default_target)
    summaries = [Summary(name, MAX_CLASSES if name == target else MAX_VALUES) for name in table.names]
    samples = 0
    for batch in table.batches(table.names):
        for summary in summaries:
            summary.add(batch[summary.name], samples, is_target=summary.name == target)
        samples += len(batch[table.names[0]])
        if samples > limits.rows:
            raise DatasetTooLarge(f"more than {limits.rows:,} rows")
    if samples == 0:
        raise DatasetError("the file has no rows")
    left, columns = MAX_LISTED, []
    for summary in sorted(summaries, key=lambda summary: summary.name != target):
        left -= summary.num_values
        columns.append((summary.name, summary.as_json(with_values=left >= 0)))
    order = {name: index for index, name in enumerate(table.names)}
    return {
        "samples": samples,
        "columns": [column for _, column in sorted(columns, key=lambda item: order[item[0]])],
        "target": target,
        "warnings": list(table.warnings),
    }


def _check_target(format: str, names: list[str], target: str | None) -> str | None:
    if target is None and format == "csv":
        raise DatasetError("is required: the name of the label column", pointer="/target")
    if target is not None and target not in names:
        offered = ", ".join(names[:20])
        raise DatasetError(f"there is no column {target[:100]!r}; there are: {offered}", pointer="/target")
    if target is not None and names == [target]:
        raise DatasetError(f"{target[:100]!r} is the only column: there is nothing to learn from", pointer="/target")
    return target


class Summary:
    """What is known of one column so far."""

    def __init__(self, name: str, max_values: int) -> None:
        self.name = name
        self.max_values = max_values
        self.dtype = ""
        self.shape: tuple[int, ...] = ()
        self.missing = 0
        self.low: float = np.inf
        self.high: float = -np.inf
        self.integral = True
        self.counts: Counter[str | int] | None = Counter()

    @property
    def num_values(self) -> int:
        return len(self.counts or ())

    def add(self, values: Values, before: int, *, is_target: bool) -> None:
        """`before`: how many rows came earlier."""
        if isinstance(values, list):
            self.dtype = "text"
            self._miss([row for row, value in enumerate(values) if value is None], before, is_target)
            if max((len(value) for value in values if value is not None), default=0) > MAX_VALUE_CHARACTERS:
                self.counts = None
            self._count(value for value in values if value is not None)
            return
        # a batch with missing whole numbers comes as float64: then all of them do
        self.dtype = np.result_type(self.dtype or values.dtype, values.dtype).name
        self.shape = values.shape[1:]
        if values.dtype.kind == "f":
            values = self._finite(values, before, is_target)
        if values.size == 0:
            return
        low, high = (edge.item() + 0 for edge in (values.min(), values.max()))  # + 0: a boolean is a number here
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.integral = self.integral and (values.dtype.kind != "f" or bool((values == np.floor(values)).all()))
        if self.shape == () and self.integral and self.counts is not None and max(-self.low, self.high) <= 2**53:
            found, counts = np.unique(values, return_counts=True)
            self._count(dict(zip((int(value) for value in found), counts.tolist(), strict=True)))
        else:
            self.counts = None

    def _finite(self, values: NDArray[Any], before: int, is_target: bool) -> NDArray[Any]:
        infinite = np.isinf(values)
        if infinite.any():
            row = int(np.nonzero(infinite)[0][0])
            raise DatasetError("is infinite", row=before + row + 1, column=self.name)
        nan = np.isnan(values)
        if not nan.any():
            return values
        self._miss(np.nonzero(nan)[0].tolist(), before, is_target)
        finite: NDArray[Any] = values[~nan]
        return finite

    def _miss(self, rows: list[int], before: int, is_target: bool) -> None:
        if rows and is_target:
            raise DatasetError("the target is missing", row=before + rows[0] + 1, column=self.name)
        self.missing += len(rows)

    def _count(self, values: Any) -> None:
        if self.counts is None:
            return
        self.counts.update(values)
        if len(self.counts) > self.max_values:
            self.counts = None

    def as_json(self, *, with_values: bool) -> dict[str, Any]:
        text = self.dtype == "text"
        seen = self.low <= self.high
        column: dict[str, Any] = {
            "name": self.name,
            "type": "text" if text else "integer" if self.integral and seen else "number",
            "dtype": self.dtype,
            "shape": list(self.shape),
            "missing": self.missing,
        }
        if seen:
            column |= {"min": self.low, "max": self.high}
        if self.counts and with_values and sum(len(str(value)) for value in self.counts) < 2**20:
            values = sorted(self.counts, key=lambda value: (str(type(value)), value))
            column |= {"values": values, "counts": [self.counts[value] for value in values]}
        return column
