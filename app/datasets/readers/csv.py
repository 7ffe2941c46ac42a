"""CSV with a header line (comma, semicolon or tab; UTF-8), by pyarrow, in batches. Numbers are float64."""

import csv
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from app.datasets.errors import DatasetError
from app.datasets.formats import Files
from app.datasets.limits import MAX_FIELD_BYTES, Limits

from .table import Names, Rows, Table, Types, Values, check_names, no_such_column

BLOCK_BYTES = 4 * 2**20
DELIMITERS = ",;\t"
MISSING = pa.array(["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-nan", "NULL", "null", "None", "?"])
SURPRISING_ROW = 20  # a text that comes only after so many numbers may be a slip


def read(files: Files, limits: Limits, types: Types | None) -> Table:
    path = files["file"]
    names, delimiter = _header(path)
    warnings: tuple[str, ...] = ()
    if types is None:
        types, warnings = _find_types(path, names, delimiter)

    def batches(wanted: Names) -> Iterator[Rows]:
        for name in wanted:
            if name not in names:
                raise no_such_column(name, names)
        for batch in _text_batches(path, names, delimiter, list(wanted)):
            yield {name: _convert(batch.column(name), types[name]) for name in wanted}

    return Table(names, batches, types, warnings=warnings)


def _header(path: Path) -> tuple[list[str], str]:
    with path.open("rb") as file:
        line = file.readline(MAX_FIELD_BYTES)
    if len(line) == MAX_FIELD_BYTES:
        raise DatasetError(f"the first line is longer than {MAX_FIELD_BYTES:,} bytes: is this a CSV file?")
    try:
        text = line.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError("the header is not UTF-8") from error
    delimiter = max(DELIMITERS, key=text.count)
    names = next(csv.reader([text], delimiter=delimiter, skipinitialspace=True), [])
    names = [name.strip() for name in names]
    if not any(names):
        raise DatasetError("the file has no header line with the columns' names")
    check_names(names)
    return names, delimiter


def _text_batches(path: Path, names: list[str], delimiter: str, wanted: list[str]) -> Iterator[pa.RecordBatch]:
    try:
        with (
            pa.OSFile(str(path)) as file,
            arrow_csv.open_csv(
                file,
                arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES, column_names=names, skip_rows=1),
                arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), include_columns=wanted),
            ) as reader,
        ):
            yield from reader
    except pa.ArrowMemoryError:
        raise
    except pa.ArrowException as error:
        raise DatasetError(_explain(str(error))) from error


def _explain(message: str) -> str:
    if "straddl" in message:
        return f"a row is longer than {BLOCK_BYTES:,} bytes (an open quote?)"
    if "Empty CSV file" in message:
        return "the file has a header and no rows"
    return message.removeprefix("CSV parse error: ")[:300]


def _find_types(path: Path, names: list[str], delimiter: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """A column is "number" when every value that is not missing is one; else "text"."""
    total = 0
    stray: dict[str, tuple[int, str]] = {}
    for batch in _text_batches(path, names, delimiter, names):
        for name in names:
            if name not in stray and (found := _first_text(batch.column(name))) is not None:
                stray[name] = (total + found[0] + 1, found[1])
        total += batch.num_rows
    warnings = tuple(
        f"column {name!r} is text: row {row:,} holds {value[:50]!r}, where all rows before hold numbers"
        for name, (row, value) in stray.items()
        if row > SURPRISING_ROW
    )
    return {name: "text" if name in stray else "number" for name in names}, warnings


def _first_text(column: pa.StringArray) -> tuple[int, str] | None:
    """Place and value of the first that is no number."""
    if _are_numbers(column):
        return None
    place = bisect_left(range(len(column)), True, key=lambda last: not _are_numbers(column.slice(0, last + 1)))
    return place, column[place].as_py()


def _are_numbers(column: pa.StringArray) -> bool:
    try:
        _numbers(column)
    except pa.ArrowInvalid:
        return False
    return True


def _numbers(column: pa.StringArray) -> pa.DoubleArray:
    column = pc.utf8_trim_whitespace(column)
    column = pc.if_else(pc.is_in(column, MISSING), None, column)
    return pc.fill_null(pc.cast(column, pa.float64()), float("nan"))


def _convert(column: pa.StringArray, type: str) -> Values:
    if type == "text":
        return [value or None for value in column.to_pylist()]
    try:
        return np.asarray(_numbers(column))
    except pa.ArrowInvalid as error:
        raise DatasetError(str(error)[:300]) from error
