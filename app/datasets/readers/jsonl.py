"""JSON lines: an object a line, each value text, a number, true, false or null."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from app.datasets.errors import DatasetError, DatasetTooLarge
from app.datasets.formats import Files
from app.datasets.limits import MAX_LINE_BYTES, Limits

from .table import BATCH_BYTES, Names, Rows, Table, Types, Values, check_names, guess_target, no_such_column


def read(files: Files, limits: Limits, types: Types | None) -> Table:
    path = files["file"]
    found = types if types is not None else _find_types(path)

    def batches(wanted: Names) -> Iterator[Rows]:
        for name in wanted:
            if name not in found:
                raise no_such_column(name, list(found))
        objects: list[dict[str, Any]] = []
        size = 0
        for _, length, item in _objects(path):
            objects.append(item)
            size += length
            if size >= BATCH_BYTES:
                yield {name: _convert([item.get(name) for item in objects], found[name]) for name in wanted}
                objects, size = [], 0
        if objects:
            yield {name: _convert([item.get(name) for item in objects], found[name]) for name in wanted}

    return Table(list(found), batches, found, guess_target(list(found)))


def _objects(path: Path) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Row, length in bytes, object."""
    with path.open("rb") as file:
        row = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            if len(line) > MAX_LINE_BYTES:
                raise DatasetTooLarge(f"is longer than {MAX_LINE_BYTES:,} bytes", row=row + 1)
            if not line.strip():
                continue
            row += 1
            try:
                item = json.loads(line.decode("utf-8-sig" if row == 1 else "utf-8"), parse_constant=_refuse)
            except UnicodeDecodeError as error:
                raise DatasetError("is not UTF-8", row=row) from error
            except (ValueError, RecursionError) as error:
                raise DatasetError(f"is not a line of JSON: {str(error)[:200]}", row=row) from error
            if not isinstance(item, dict):
                raise DatasetError('must be an object such as {"text": "…", "label": 1}', row=row)
            yield row, len(line), item


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _find_types(path: Path) -> dict[str, str]:
    """ "number" or "text" by key, in the order in which keys first appear."""
    found: dict[str, str | None] = {}
    for row, _, item in _objects(path):
        for name, value in item.items():
            if name not in found:
                check_names([*found, name])
                found[name] = None
            if value is None:
                continue
            if not isinstance(value, str | int | float):
                raise DatasetError("must be text or a number", row=row, column=name)
            type = "text" if isinstance(value, str) else "number"
            if isinstance(value, str) and not _is_unicode(value):
                raise DatasetError("half of a surrogate pair is not text", row=row, column=name)
            if found[name] not in (None, type):
                raise DatasetError(f"is {type} here and {found[name]} in earlier rows", row=row, column=name)
            found[name] = type
    if not found:
        raise DatasetError("the file has no rows")
    return {name: type or "number" for name, type in found.items()}


def _is_unicode(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _convert(values: list[Any], type: str) -> Values:
    if type == "text":
        return values
    try:
        return np.array([np.nan if value is None else float(value) for value in values])
    except OverflowError as error:
        raise DatasetError("a number is too large for float64") from error
