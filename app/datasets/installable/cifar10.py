"""CIFAR-10, binary version: records of one label byte and 3,072 pixels (red, green, blue, each 32 rows of 32).

Source: https://www.cs.toronto.edu/~kriz/cifar.html
"""

import struct
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from app.datasets.errors import DatasetError
from app.datasets.installable.archive import members

PIXELS = 3 * 32 * 32
RECORD = 1 + PIXELS
BATCHES = {**{f"data_batch_{i}.bin": ("train", i) for i in range(1, 6)}, "test_batch.bin": ("test", 0)}


def convert(archives: Mapping[str, Path], folder: Path) -> dict[str, dict[str, Path]]:
    """50,000 training images [3, 32, 32] in the order of their batches, 10,000 test images; as IDX files."""
    (path,) = archives.values()
    found: dict[tuple[str, int], bytes] = {}
    for name, data in members(path):
        place = BATCHES.get(PurePosixPath(name).name)
        if place is None:
            continue
        if not data or len(data) % RECORD:
            raise DatasetError(f"{name[:100]!r} is not made of records of {RECORD} bytes")
        found[place] = data
    if set(found) != set(BATCHES.values()):
        raise DatasetError("the archive lacks batches: is it the binary version?")
    parts = {}
    for part in ("train", "test"):
        data = b"".join(found[place] for place in sorted(found) if place[0] == part)
        parts[part] = write_idx(folder, part, data)
    return parts


def write_idx(folder: Path, part: str, data: bytes) -> dict[str, Path]:
    n = len(data) // RECORD
    paths = {role: folder / f"{part}-{role}" for role in ("images", "labels")}
    with paths["images"].open("wb") as file:
        file.write(struct.pack(">BBBB4I", 0, 0, 8, 4, n, 3, 32, 32))
        file.writelines(memoryview(data)[start + 1 : start + RECORD] for start in range(0, len(data), RECORD))
    paths["labels"].write_bytes(struct.pack(">BBBBI", 0, 0, 8, 1, n) + data[::RECORD])
    return paths
