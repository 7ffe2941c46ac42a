"""Reading the checkpoint store: a folder of safetensors files, each named in the database by path, size and SHA-256.

A safetensors file is 8 bytes (the header's length, little-endian), a JSON header, and the tensors' bytes.
"""

import hashlib
import shutil
import struct
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from app.errors import Conflict
from app.settings import get_settings

CHUNK_BYTES = 2**20
MAX_HEADER_BYTES = 100 * 2**20
MODEL = "model."
"""The prefix of the weights in force."""

Slice = tuple[int, int]
"""Where the bytes begin in the file, and how many there are."""


class Verified:
    """Files whose hash was compared, by what would change if they were written again."""

    def __init__(self, size: int = 1000) -> None:
        self._seen: OrderedDict[tuple[str, int, int, str], None] = OrderedDict()
        self._size = size
        self._lock = threading.Lock()

    def check(self, path: Path, size: int, sha256: str) -> None:
        """Raises Conflict for a file that is gone or is not the one that was written."""
        try:
            found = path.stat()
        except OSError:
            raise Conflict("The checkpoint's file is gone.", code="checkpoint_lost") from None
        mark = (str(path), found.st_size, found.st_mtime_ns, sha256)
        with self._lock:
            if mark in self._seen:
                return
        if found.st_size != size or file_sha256(path) != sha256:
            raise Conflict("The checkpoint's file is damaged.", code="checkpoint_damaged")
        with self._lock:
            self._seen[mark] = None
            while len(self._seen) > self._size:
                self._seen.popitem(last=False)


verified = Verified()


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def locate(relative: str, size: int, sha256: str) -> Path:
    """The file of a checkpoint, its bytes verified. Raises Conflict."""
    root = get_settings().store_path.resolve()
    path = (root / relative).resolve()
    if not path.is_relative_to(root):
        raise Conflict("The checkpoint's file is gone.", code="checkpoint_lost")
    verified.check(path, size, sha256)
    return path


def read_header(file: BinaryIO) -> tuple[dict[str, Any], int]:
    """The JSON header, and where the tensors' bytes begin."""
    (length,) = struct.unpack("<Q", file.read(8))
    if length > MAX_HEADER_BYTES:
        raise ValueError(f"a header of {length} bytes")
    return orjson.loads(file.read(length)), 8 + length


def weights_of(path: Path) -> tuple[bytes, list[Slice]]:
    """The head of a safetensors file of the model alone, and the slices of the checkpoint that follow it.

    The tensors keep their order and their bytes; names lose the prefix, as `load_state_dict` wants them.
    """
    with path.open("rb") as file:
        header, start = read_header(file)
    tensors = [(name, entry) for name, entry in header.items() if name.startswith(MODEL)]
    tensors.sort(key=lambda tensor: tensor[1]["data_offsets"][0])
    listed: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    slices: list[Slice] = []
    offset = 0
    for name, entry in tensors:
        begin, end = entry["data_offsets"]
        listed[name.removeprefix(MODEL)] = {**entry, "data_offsets": [offset, offset + end - begin]}
        slices.append((start + begin, end - begin))
        offset += end - begin
    text = orjson.dumps(listed)
    text += b" " * (-len(text) % 8)  # the tensors' bytes stay aligned
    return struct.pack("<Q", len(text)) + text, slices


def stream(path: Path, head: bytes, slices: list[Slice]) -> Iterator[bytes]:
    """The head and then the slices, a piece at a time."""
    if head:
        yield head
    with path.open("rb") as file:
        for begin, left in slices:
            file.seek(begin)
            while left and (piece := file.read(min(left, CHUNK_BYTES))):
                left -= len(piece)
                yield piece


def remove_job(job_id: str) -> None:
    """Everything that was stored for a job; what cannot be removed is left to the collector of unreferenced files."""
    shutil.rmtree(get_settings().store_path / "jobs" / job_id, ignore_errors=True)


def remove_file(relative: str) -> None:
    """One checkpoint's file; one that is gone already is no error."""
    (get_settings().store_path / relative).unlink(missing_ok=True)


def weights_sha256(path: Path) -> str:
    """Of the model as `weights_of` hands it out. Raises OSError."""
    digest = hashlib.sha256()
    for piece in stream(path, *weights_of(path)):
        digest.update(piece)
    return digest.hexdigest()
