"""Room for tensors while they are made: memory, or files of a scratch folder for those that are too large for it."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Self

import torch
from torch import Tensor

LARGE_BYTES = 2**30
CHUNK_BYTES = 64 * 2**20
TENSORS, PIECES = 32, 256  # of the memory that there is, a tensor in it has such a share at most, and a piece of one


class Room:
    """A context: what it has given is gone with it. Without a folder everything is memory."""

    def __init__(self, folder: Path | None = None, memory_bytes: int | None = None) -> None:
        self._parent = folder
        self._memory_bytes = memory_bytes
        self._folder: Path | None = None
        self._given = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def empty(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """A tensor without values; a large one is mapped from a file, so that its pages need not fit into memory."""
        size = prod(shape)
        if self._parent is None or size * dtype.itemsize < self._large_bytes:
            return torch.empty(tuple(shape), dtype=dtype)
        if self._folder is None:
            self._parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(dir=self._parent, prefix=".room-"))
        self._given += 1
        path = str(self._folder / str(self._given))
        if size:
            allocate(path, size * dtype.itemsize)
        return torch.from_file(path, shared=True, size=size, dtype=dtype).reshape(tuple(shape))

    def each(self, rows: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
        """`change` of all rows, a piece at a time; it must not look from one row at another."""
        if len(rows) == 0:
            return rows
        made: Tensor | None = None
        for piece in self._pieces(len(rows), rows[:1].nbytes):
            changed = change(rows[piece])
            if piece.stop >= len(rows) and piece.start == 0:
                return changed
            if made is None:
                made = self.empty((len(rows), *changed.shape[1:]), changed.dtype)
            made[piece] = changed
        assert made is not None
        return made

    def take(self, rows: Tensor, index: Tensor) -> Tensor:
        """`rows[index]`."""
        if rows.nbytes < self._large_bytes:
            return rows[index]
        taken = self.empty((len(index), *rows.shape[1:]), rows.dtype)
        for piece in self._pieces(len(index), rows[:1].nbytes):
            taken[piece] = rows[index[piece]]
        return taken

    @property
    def _large_bytes(self) -> int:
        return LARGE_BYTES if self._memory_bytes is None else min(LARGE_BYTES, self._memory_bytes // TENSORS)

    def _pieces(self, count: int, row_bytes: int) -> Iterator[slice]:
        most = CHUNK_BYTES if self._memory_bytes is None else min(CHUNK_BYTES, self._memory_bytes // PIECES)
        return pieces(count, row_bytes, most)


def allocate(path: str, size: int) -> None:
    """A full disk is an error here, and a SIGBUS once the file is mapped."""
    with open(path, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)


def pieces(count: int, row_bytes: int, most_bytes: int | None = None) -> Iterator[slice]:
    """Slices that together are all rows, each of some megabytes."""
    step = max(1, (CHUNK_BYTES if most_bytes is None else most_bytes) // max(1, row_bytes))
    for start in range(0, count, step):
        yield slice(start, start + step)
