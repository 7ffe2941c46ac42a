"""Parquet by pyarrow, in batches out of row groups. Numbers keep their type; equal-length lists are arrays."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet
from pyarrow import types as is_type

from app.datasets.errors import DatasetError, DatasetTooLarge
from app.datasets.formats import Files
from app.datasets.limits import Limits

from .table import (
    Names,
    Rows,
    Table,
    Types,
    Values,
    check_names,
    check_ratio,
    guess_target,
    no_such_column,
    rows_at_once,
)

MAX_FOOTER_BYTES = 64 * 2**20
MAX_FOOTER_ITEMS = 1_000_000


def read(files: Files, limits: Limits, types: Types | None) -> Table:
    path = str(files["file"])
    with _opened(path, []) as file:
        schema, metadata = file.schema_arrow, file.metadata
        names = list(schema.names)
        check_names(names)
        for field in schema:
            if not _is_number(_element(field.type)) and not _is_text(field.type) and not _is_moment(field.type):
                raise DatasetError(
                    f"is of type {field.type}: numbers, text, dates and lists of numbers train", column=field.name
                )
        if metadata.num_rows > limits.rows:
            raise DatasetTooLarge(f"{metadata.num_rows:,} rows are more than {limits.rows:,}")
        if metadata.num_rows * len(names) > limits.decoded_bytes:
            raise DatasetTooLarge(f"{metadata.num_rows:,} rows of {len(names)} columns decode to too many bytes")
        check_ratio(metadata.num_rows * len(names), files["file"].stat().st_size)  # a byte a value, at least

    def batches(wanted: Names) -> Iterator[Rows]:
        for name in wanted:
            if name not in names:
                raise no_such_column(name, names)
        texts = [name for name in wanted if _is_text(schema.field(name).type)]
        left = limits.decoded_bytes
        with _opened(path, texts) as file:
            for batch in file.iter_batches(rows_at_once(8 * len(wanted)), columns=list(wanted), use_threads=False):
                left -= sum(_decoded_bytes(column) for column in batch.columns)
                if left < 0:
                    raise DatasetTooLarge(f"decodes to more than {limits.decoded_bytes:,} bytes")
                yield {name: _convert(batch.column(name), name) for name in wanted}

    return Table(names, batches, {}, guess_target(names))


@contextmanager
def _opened(path: str, as_dictionary: list[str]) -> Iterator[parquet.ParquetFile]:
    try:
        with (
            pa.OSFile(path) as source,
            parquet.ParquetFile(
                source,
                read_dictionary=as_dictionary,  # a long text repeated a million times stays one text
                thrift_string_size_limit=MAX_FOOTER_BYTES,
                thrift_container_size_limit=MAX_FOOTER_ITEMS,
            ) as file,
        ):
            yield file
    except pa.ArrowMemoryError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(f"not a readable Parquet file: {str(error)[:300]}") from error


def _is_number(type: pa.DataType) -> bool:
    kinds = (is_type.is_integer, is_type.is_floating, is_type.is_boolean, is_type.is_decimal, is_type.is_null)
    return any(kind(type) for kind in kinds)


def _is_text(type: pa.DataType) -> bool:
    if is_type.is_dictionary(type):
        type = type.value_type
    return bool(is_type.is_string(type) or is_type.is_large_string(type))


def _is_moment(type: pa.DataType) -> bool:
    """What CSV has as text: dates, times of day, points in time."""
    return bool(is_type.is_date(type) or is_type.is_time(type) or is_type.is_timestamp(type))


def _element(type: pa.DataType) -> pa.DataType:
    """What (nested) lists are lists of."""
    while is_type.is_list(type) or is_type.is_large_list(type) or is_type.is_fixed_size_list(type):
        type = type.value_type
    return type


def _decoded_bytes(column: pa.Array) -> int:
    if is_type.is_dictionary(column.type):
        lengths = pc.binary_length(column.dictionary).take(column.indices)
        return int(pc.sum(lengths).as_py() or 0)
    return int(column.nbytes)


def _convert(column: pa.Array, name: str) -> Values:
    if is_type.is_timestamp(column.type) and column.type.tz is not None:
        column = column.cast(pa.timestamp(column.type.unit))  # in UTC, which needs no table of time zones
    if _is_moment(column.type):
        column = column.cast(pa.string())
    if _is_text(column.type):
        try:
            return [value or None for value in column.to_pylist()]
        except UnicodeDecodeError as error:
            raise DatasetError("is not UTF-8", column=name) from error
    shape: list[int] = []
    while not _is_number(column.type):
        if column.null_count:
            raise DatasetError("a list is missing", column=name)
        lengths = pc.unique(pc.list_value_length(column)).to_pylist()
        if len(lengths) != 1:
            raise DatasetError(f"the lists have different lengths ({lengths[0]} and {lengths[1]})", column=name)
        if lengths[0] == 0:
            raise DatasetError("the lists are empty", column=name)
        shape.append(lengths[0])
        column = column.flatten()
    return np.asarray(_numbers(column)).reshape(-1, *shape)


def _numbers(column: pa.Array) -> Any:
    if is_type.is_boolean(column.type) and not column.null_count:
        return column.to_numpy(zero_copy_only=False)
    if is_type.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if is_type.is_decimal(column.type) or is_type.is_float16(column.type) or column.null_count:
        column = column.cast(pa.float64(), safe=False)
    return pc.fill_null(column, float("nan")) if column.null_count else column
