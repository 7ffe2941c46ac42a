"""CSV with a header line (comma, semicolon or tab; UTF-8), by pyarrow, in batches. Numbers are float64."""

import csv
import io
import os
import re
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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
MESSAGE = re.compile(r"(?:CSV parse error: )?(?:In CSV column #(\d+): )?Row #(\d+): (.*)", re.DOTALL)
SURPRISING_ROW = 20  # a text that comes only after so many numbers may be a slip


def read(files: Files, limits: Limits, types: Types | None) -> Table:
    path = files["file"]
    header = _header(path)
    names = header.names
    warnings: tuple[str, ...] = ()
    if types is None:
        types, warnings = _find_types(path, header)

    def batches(wanted: Names) -> Iterator[Rows]:
        for name in wanted:
            if name not in names:
                raise no_such_column(name, names)
        for batch in _text_batches(path, header, list(wanted)):
            yield {name: _convert(batch.column(name), types[name]) for name in wanted}

    return Table(names, batches, types, warnings=warnings)


class Header(NamedTuple):
    names: list[str]
    delimiter: str
    lines: int
    """How many lines of the file it takes: a quoted name may hold line breaks, empty lines may come before it."""


def _header(path: Path) -> Header:
    with path.open("rb") as file:
        text = _first_line(file.read(MAX_FIELD_BYTES))
    unquoted = re.sub(r'"[^"]*"', "", text)
    delimiter = max(DELIMITERS, key=unquoted.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        names = [name.strip() for name in next((row for row in reader if row), [])]
    except csv.Error as error:
        raise DatasetError(f"the header cannot be read: {error}") from error
    if not any(names):
        raise DatasetError("the file has no header line with the columns' names")
    check_names(names)
    return Header(names, delimiter, reader.line_num)


def _first_line(head: bytes) -> str:
    """With the empty ones before it, to the first line break outside of quotes."""
    end = next(re.finditer(rb'[\r\n]*(?:"[^"]*"|[^"\r\n])+(?:\r\n?|\n|\Z)', head), None)
    if len(head) == MAX_FIELD_BYTES and (end is None or end.end() == len(head)):
        raise DatasetError(f"the first line is longer than {MAX_FIELD_BYTES:,} bytes: is this a CSV file?")
    try:
        return head[: end.end() if end else 0].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError("the header is not UTF-8") from error


def _text_batches(path: Path, header: Header, wanted: list[str]) -> Iterator[pa.RecordBatch]:
    names, delimiter = header.names, header.delimiter
    last: pa.RecordBatch | None = None
    try:
        with (
            pa.OSFile(str(path)) as file,
            arrow_csv.open_csv(
                file,
                arrow_csv.ReadOptions(
                    use_threads=False, block_size=BLOCK_BYTES, column_names=names, skip_rows=header.lines
                ),
                arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), include_columns=wanted),
            ) as reader,
        ):
            for batch in reader:
                yield batch
                last = batch if batch.num_rows else last
    except pa.ArrowMemoryError:
        raise
    except pa.ArrowException as error:
        raise _explained(str(error), header, wanted) from error
    if last is not None and last.schema.names[-1] == names[-1]:
        _check_last_quote(path, last.column(last.num_columns - 1)[-1].as_py())


def _explained(message: str, header: Header, wanted: list[str]) -> DatasetError:
    """What pyarrow says; it counts rows with the header's lines, and columns from 0 among the wanted."""
    if "straddl" in message:
        return DatasetError(f"a row is longer than {BLOCK_BYTES:,} bytes (an open quote?)")
    if "Empty CSV file" in message or "Could not skip" in message:
        return DatasetError("the file has a header and no rows")
    if (found := MESSAGE.fullmatch(message)) is None:
        return DatasetError(message.removeprefix("CSV parse error: ")[:300])
    column = wanted[int(found[1])] if found[1] and int(found[1]) < len(wanted) else None
    detail = found[3].removeprefix("CSV conversion error to string: ")[:300]
    return DatasetError(detail, row=max(1, int(found[2]) - header.lines), column=column)


def _check_last_quote(path: Path, value: str) -> None:
    """A quote that never ends swallows the rest of the file into one value. Raises DatasetError."""
    if "\n" not in value and "\r" not in value:
        return  # it swallowed no row
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 100), os.SEEK_SET)
        end = file.read().rstrip()
    if not end.endswith(b'"'):
        raise DatasetError(f"the quote before {value[:50]!r} never ends")


def _find_types(path: Path, header: Header) -> tuple[dict[str, str], tuple[str, ...]]:
    """A column is "number" when every value that is not missing is one; else "text"."""
    names, total = header.names, 0
    stray: dict[str, tuple[int, str]] = {}
    for batch in _text_batches(path, header, names):
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
