"""Writing safetensors piece by piece (the library's own writer copies every tensor whole into memory first).

The format: 8 bytes (the header's length, little-endian), a JSON header, the tensors' bytes without gaps.
Source: https://huggingface.co/docs/safetensors
"""

import json
import struct
from collections.abc import Iterator
from typing import IO, Any

import torch
from torch import Tensor

from worker.datasets.room import pieces

LENGTH = struct.Struct("<Q")
DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


ALIGNED = 64  # bytes, as torch's own memory: kernels do with a mapped tensor what they do with a copy of it


def write_tensors(
    file: IO[bytes], tensors: dict[str, Tensor], metadata: dict[str, str], *, aligned: bool = False
) -> None:
    """The largest elements come first, so that every tensor lies aligned to its type.

    `aligned`: each begins at a multiple of 64 bytes; what lies between are tensors too, `padding.<n>`.
    """
    parts = [(name, tensors[name]) for name in sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))]
    if aligned:
        parts = list(_padded(parts))
    header: dict[str, Any] = {"__metadata__": metadata}
    offset = 0
    for name, tensor in parts:
        end = offset + tensor.nbytes
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-(LENGTH.size + len(text)) % ALIGNED)
    file.write(LENGTH.pack(len(text)) + text)
    for _, tensor in parts:
        rows = tensor.reshape(-1) if tensor.ndim == 0 else tensor
        for piece in pieces(len(rows), rows[:1].nbytes):
            file.write(rows[piece].contiguous().numpy().data)


def _padded(parts: list[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    for number, (name, tensor) in enumerate(parts):
        yield name, tensor
        if missing := -tensor.nbytes % ALIGNED:
            yield f"padding.{number}", torch.zeros(missing, dtype=torch.uint8)
