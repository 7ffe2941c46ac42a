"""Word vectors as text (GloVe, word2vec): a word and its numbers a line; word2vec's first line has their size."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from app.datasets.errors import DatasetError, DatasetTooLarge
from app.datasets.formats import Files
from app.datasets.limits import MAX_COLUMNS, MAX_FIELD_BYTES, Limits

from .table import Names, Rows, Table, Types, no_such_column, rows_at_once

COLUMNS = ["word", "vector"]
SEPARATORS = re.compile(r"\t+| {2,}")


def read(files: Files, limits: Limits, types: Types | None) -> Table:
    path = files["file"]
    first = next(_lines(path), None)
    if first is None:
        raise DatasetError("the file has no vectors")
    promised = _header(path)
    size = promised[1] if promised else _size(first[1])
    if not 1 <= size <= MAX_COLUMNS:
        raise DatasetError(f"the first line has {size} numbers: a word and its vector, by spaces", row=1)

    def batches(wanted: Names) -> Iterator[Rows]:
        for name in wanted:
            if name not in COLUMNS:
                raise no_such_column(name, COLUMNS)
        words: list[str | None] = []
        numbers: list[list[str]] = []
        for row, line in _lines(path):
            if row > limits.rows or row * size * 8 > limits.decoded_bytes:
                raise DatasetTooLarge(f"decodes to more than {limits.decoded_bytes:,} bytes")
            word, *vector = line.rsplit(" ", size)
            if len(vector) != size or not word:
                raise DatasetError(f"must be a word and {size} numbers", row=row)
            words.append(word)
            numbers.append(vector)
            if len(words) == rows_at_once(size * 64):
                yield _rows(words, numbers, row, wanted)
                words, numbers = [], []
        if words:
            yield _rows(words, numbers, row, wanted)

    return Table(COLUMNS, batches, {})


def _header(path: Path) -> tuple[int, int] | None:
    """word2vec's first line: how many words, how many numbers each."""
    with path.open("rb") as file:
        fields = file.readline(MAX_FIELD_BYTES).split()
    return (
        (int(fields[0]), int(fields[1])) if _is_header([field.decode(errors="replace") for field in fields]) else None
    )


def _is_header(fields: list[str]) -> bool:
    return len(fields) == 2 and all(field.isdecimal() and len(field) < 16 for field in fields)


def _size(line: str) -> int:
    """The numbers at the end of a line; what is before them is the word, spaces and all."""
    fields = line.split(" ")[1:]
    return next((i for i, field in enumerate(reversed(fields)) if not _are_numbers([field])), len(fields))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    row = 0
    with path.open("rb") as file:
        while line := file.readline(MAX_FIELD_BYTES + 1):
            if len(line) > MAX_FIELD_BYTES:
                raise DatasetTooLarge(f"is longer than {MAX_FIELD_BYTES:,} bytes", row=row + 1)
            try:
                text = line.decode().strip("\r\n ")
            except UnicodeDecodeError as error:
                raise DatasetError("is not UTF-8 (word2vec's binary form is not read)", row=row + 1) from error
            text = SEPARATORS.sub(" ", text)
            if not text or (row == 0 and _is_header(text.split(" ", 2))):
                continue
            row += 1
            yield row, text


def _rows(words: list[str | None], numbers: list[list[str]], last: int, wanted: Names) -> Rows:
    try:
        vectors = np.array(numbers, dtype=np.float64)
    except ValueError as error:
        row = last - len(words) + 1 + next(i for i, vector in enumerate(numbers) if not _are_numbers(vector))
        raise DatasetError("must be a word and numbers", row=row) from error
    if not np.isfinite(vectors).all():
        row = last - len(words) + 1 + int(np.nonzero(~np.isfinite(vectors).all(1))[0][0])
        raise DatasetError("a number of the vector is missing or infinite", row=row)
    rows: Rows = {"word": words, "vector": vectors}
    return {name: rows[name] for name in wanted}


def _are_numbers(vector: list[str]) -> bool:
    try:
        np.array(vector, dtype=np.float64)
    except ValueError:
        return False
    return True
