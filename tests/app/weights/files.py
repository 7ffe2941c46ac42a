"""Small safetensors files, also wrong ones, made by hand."""

import json
import math
import struct
from typing import Any


def safetensors(shapes: dict[str, list[int]], fill: float = 0.5) -> bytes:
    """Float32 tensors that hold one number."""
    header: dict[str, Any] = {}
    place = 0
    for name, shape in shapes.items():
        size = 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [place, place + size]}
        place += size
    return with_header(header, struct.pack("<f", fill) * (place // 4))


def with_header(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data
