"""NumPy's zip of arrays: numbers and fixed-width text, never pickles. Every array's first axis counts the samples."""

import zipfile
from collections.abc import Iterator
from math import prod
from tokenize import TokenError
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from app.datasets.errors import DatasetError, DatasetTooLarge
from app.datasets.formats import Files
from app.datasets.limits import MAX_HEADER_BYTES, Limits

from . import archive
from .table import (
    BATCH_BYTES,
    Names,
    Rows,
    Table,
    Types,
    Values,
    check_names,
    guess_target,
    no_such_column,
    rows_at_once,
)

KINDS = "fiubU"
MAX_DIMENSIONS = 8


class Header(NamedTuple):
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def row_bytes(self) -> int:
        return prod(self.shape[1:]) * self.dtype.itemsize


def read(files: Files, limits: Limits, types: Types | None) -> Table:
    path = files["file"]
    with archive.opened(path) as opened:
        headers = {}
        for info in archive.members(opened, limits):
            if not info.filename.endswith(".npy"):
                raise DatasetError(f"{info.filename[:100]!r} in the zip is no .npy array")
            with opened.open(info) as member:
                headers[info.filename.removesuffix(".npy")] = _header(member, info)
    if not headers:
        raise DatasetError("the file has no arrays")
    names = list(headers)
    check_names(names)
    counts = {name: header.shape[0] for name, header in headers.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count:,}" for name, count in list(counts.items())[:10])
        raise DatasetError(f"the arrays have different numbers of samples: {listed}")

    def batches(wanted: Names) -> Iterator[Rows]:
        for name in wanted:
            if name not in headers:
                raise no_such_column(name, names)
        step = rows_at_once(sum(headers[name].row_bytes for name in wanted))
        with archive.opened(path) as opened:
            columns = [_slices(opened, name, headers[name], step) for name in wanted]
            for values in zip(*columns, strict=True):
                yield dict(zip(wanted, values, strict=True))

    return Table(names, batches, {}, guess_target(names))


def _header(member: IO[bytes], info: zipfile.ZipInfo) -> Header:
    name = info.filename.removesuffix(".npy")[:100]
    try:
        version = npy.read_magic(member)
        if version == (1, 0):
            shape, fortran, dtype = npy.read_array_header_1_0(member, max_header_size=MAX_HEADER_BYTES)
        elif version == (2, 0):
            shape, fortran, dtype = npy.read_array_header_2_0(member, max_header_size=MAX_HEADER_BYTES)
        else:
            raise DatasetError(f"array {name!r} has format version {version}")
    except DatasetError:
        raise
    except (ValueError, SyntaxError, TypeError, RecursionError, TokenError, MemoryError) as error:
        raise DatasetError(f"array {name!r} has a broken header: {str(error)[:200]}") from error
    if dtype.hasobject:
        raise DatasetError(f"array {name!r} holds Python objects (a pickle), which are never loaded")
    if dtype.kind not in KINDS or dtype.itemsize == 0:
        raise DatasetError(f"array {name!r} is of type {dtype}: numbers and text train")
    if not 1 <= len(shape) <= MAX_DIMENSIONS or prod(shape) == 0:
        raise DatasetError(f"array {name!r} has shape {tuple(shape)}: the first axis counts the samples")
    # Compared before anything is allocated: the shape is the file's claim.
    if prod(shape) * dtype.itemsize != info.file_size - member.tell():
        raise DatasetError(
            f"array {name!r} claims shape {tuple(shape)}, which does not fit its {info.file_size:,} bytes"
        )
    return Header(tuple(shape), bool(fortran) and len(shape) > 1, dtype)


def _slices(opened: zipfile.ZipFile, name: str, header: Header, step: int) -> Iterator[Values]:
    info = opened.getinfo(name + ".npy")
    with opened.open(info) as member:
        _header(member, info)
        if header.fortran:
            if info.file_size > 64 * BATCH_BYTES:
                raise DatasetTooLarge("a large array in Fortran order: save it with np.ascontiguousarray", column=name)
            whole = np.frombuffer(_exactly(member, prod(header.shape) * header.dtype.itemsize, name), header.dtype)
            array = np.ascontiguousarray(whole.reshape(header.shape, order="F"))
            yield from (_values(array[start : start + step]) for start in range(0, len(array), step))
            return
        for start in range(0, header.shape[0], step):
            rows = min(step, header.shape[0] - start)
            data = _exactly(member, rows * header.row_bytes, name)
            yield _values(np.frombuffer(data, header.dtype).reshape(rows, *header.shape[1:]))


def _exactly(member: IO[bytes], size: int, name: str) -> bytes:
    data = member.read(size)
    if len(data) != size:
        raise DatasetError("ends too early", column=name)
    return data


def _values(array: NDArray[Any]) -> Values:
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype.kind != "U":
        return native.astype(np.float64) if native.dtype.kind == "f" and native.dtype.itemsize > 8 else native
    if array.ndim > 1:
        raise DatasetError("an array of text must have one dimension")
    codes = native.view(np.uint32)
    if ((codes > 0x10FFFF) | (codes >> 11 == 0xD800 >> 11)).any():
        raise DatasetError("an array of text holds what is no Unicode")
    return [str(value) for value in native]
