"""IDX, the format of MNIST's own files (gzip'd or not): images uint8 [C, H, W] and their labels.

Two zero bytes, a type, the number of dimensions, each dimension as 4 big-endian bytes, then the array, rows first.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.datasets.errors import DatasetError, DatasetTooLarge
from app.datasets.formats import Files
from app.datasets.limits import Limits

from .table import Names, Rows, Table, Types, check_ratio, no_such_column, rows_at_once

TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
COLUMNS = ["image", "label"]


class Header(NamedTuple):
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


def read(files: Files, limits: Limits, types: Types | None) -> Table:
    headers = {}
    for role in ("images", "labels"):
        with _opened(files[role], role) as file:
            headers[role] = _header(file, role)
    images, labels = headers["images"], headers["labels"]
    if len(labels.shape) != 1 or labels.dtype.kind == "f":
        raise DatasetError(f"labels have shape {labels.shape} of {labels.dtype}: one whole number an image")
    if not 2 <= len(images.shape) <= 4 or (images.dtype.kind == "f" and len(images.shape) > 2):
        raise DatasetError(f"images have shape {images.shape} of {images.dtype}: [N, H, W] or [N, C, H, W] of bytes")
    if images.shape[0] != labels.shape[0]:
        raise DatasetError(f"{images.shape[0]:,} images have {labels.shape[0]:,} labels")
    decoded = prod(images.shape) * images.dtype.itemsize
    if decoded > limits.decoded_bytes or images.shape[0] > limits.rows:
        raise DatasetTooLarge(f"images of shape {images.shape} are more than {limits.decoded_bytes:,} bytes")
    check_ratio(decoded, files["images"].stat().st_size)

    def batches(wanted: Names) -> Iterator[Rows]:
        for name in wanted:
            if name not in COLUMNS:
                raise no_such_column(name, COLUMNS)
        step = rows_at_once(prod(images.shape[1:]) * images.dtype.itemsize)
        sources = {"image": _slices(files["images"], "images", step), "label": _slices(files["labels"], "labels", step)}
        for values in zip(*(sources[name] for name in wanted), strict=True):
            rows: Rows = dict(zip(wanted, values, strict=True))
            if "image" in rows and len(images.shape) == 3:  # grey: one channel
                rows["image"] = np.asarray(rows["image"])[:, None]
            yield rows

    return Table(COLUMNS, batches, {}, "label")


@contextmanager
def _opened(path: Path, role: str) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        try:
            yield gzip.GzipFile(fileobj=file) if zipped else file  # type: ignore[misc]  # both read bytes
        except (gzip.BadGzipFile, zlib.error, EOFError) as error:
            raise DatasetError(f"{role}: broken gzip file: {str(error)[:200]}") from error


def _header(file: IO[bytes], role: str) -> Header:
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES or not 1 <= magic[3] <= 8:
        raise DatasetError(f"{role}: not an IDX file (it starts with {magic.hex(' ')})")
    shape = tuple(int(size) for size in np.frombuffer(file.read(4 * magic[3]).ljust(4 * magic[3], b"\0"), ">u4"))
    if prod(shape) == 0:
        raise DatasetError(f"{role}: the array is empty, its shape is {shape}")
    return Header(np.dtype(TYPES[magic[2]]), shape)


def _slices(path: Path, role: str, step: int) -> Iterator[NDArray[Any]]:
    with _opened(path, role) as file:
        dtype, shape = _header(file, role)
        for start in range(0, shape[0], step):
            rows = min(step, shape[0] - start)
            size = rows * prod(shape[1:]) * dtype.itemsize
            data = file.read(size)
            if len(data) != size:
                raise DatasetError(f"{role}: ends in row {start + 1 + len(data) * rows // size:,} of {shape[0]:,}")
            yield np.frombuffer(data, dtype).reshape(rows, *shape[1:]).astype(dtype.newbyteorder("="), copy=False)
        if file.read(1):
            raise DatasetError(f"{role}: goes on after its {shape[0]:,} rows")
