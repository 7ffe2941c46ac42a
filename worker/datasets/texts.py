"""Many texts in one file, read one by one: UTF-8 after each other, and where each begins."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np


class TextWriter:
    """Writes `inputs.text` and `inputs.offsets.npy` (int64 [n + 1])."""

    def __init__(self, folder: Path, count: int) -> None:
        self._file = (folder / "inputs.text").open("wb")
        self._offsets = np.lib.format.open_memmap(folder / "inputs.offsets.npy", "w+", "int64", (count + 1,))
        self._written = 0

    def add(self, texts: Iterable[str | None]) -> None:
        """A missing text is an empty one."""
        for text in texts:
            self._file.write((text or "").encode())
            self._written += 1
            self._offsets[self._written] = self._file.tell()

    def close(self) -> None:
        self._file.close()
        self._offsets.flush()


class Texts(Sequence[str]):
    """A sequence of str; only those asked for are read."""

    def __init__(self, folder: Path) -> None:
        self._offsets = np.load(folder / "inputs.offsets.npy", mmap_mode="r")
        path = folder / "inputs.text"
        empty = path.stat().st_size == 0  # which cannot be mapped
        self._data = np.zeros(0, np.uint8) if empty else np.memmap(path, np.uint8, "r")

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        return self._data[self._offsets[place] : self._offsets[place + 1]].tobytes().decode()

    def __iter__(self) -> Iterator[str]:
        return (self[place] for place in range(len(self)))
