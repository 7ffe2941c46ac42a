"""Zip archives that are streamed: made while they are sent, nothing of them is kept."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

CHUNK_BYTES = 2**20
Entry = tuple[str, Iterable[bytes]]


class Pipe(io.RawIOBase):
    """What was written to it, once."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._pieces.append(bytes(data))
        return len(data)

    def drain(self) -> bytes:
        found = b"".join(self._pieces)
        self._pieces.clear()
        return found


def zipped(entries: Iterable[Entry]) -> Iterator[bytes]:
    """The bytes of an archive; the same entries give the same bytes."""
    pipe = Pipe()
    with ZipFile(pipe, "w", ZIP_STORED) as archive:
        for name, pieces in entries:
            info = ZipInfo(name)  # 1980: no clock
            info.external_attr = 0o644 << 16
            with archive.open(info, "w", force_zip64=True) as file:
                for piece in pieces:
                    file.write(piece)
                    yield pipe.drain()
    yield pipe.drain()


def file_pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(CHUNK_BYTES):
            yield piece
