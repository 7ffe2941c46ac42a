"""Writing safetensors piece by piece (the library's own writer copies every tensor whole into memory first).

The format: 8 bytes (the header's length, little-endian), a JSON header, the tensors' bytes without gaps.
Source: https://huggingface.co/docs/safetensors
"""

import json
import struct
from typing import IO, Any

import torch
from torch import Tensor

from worker.datasets.room import pieces

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


def write_tensors(file: IO[bytes], tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """The largest elements come first, so that every tensor lies aligned to its type."""
    names = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    header: dict[str, Any] = {"__metadata__": metadata}
    offset = 0
    for name in names:
        tensor = tensors[name]
        end = offset + tensor.nbytes
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(struct.pack("<Q", len(text)) + text)
    for name in names:
        rows = tensors[name].reshape(-1) if tensors[name].ndim == 0 else tensors[name]
        for piece in pieces(len(rows), rows[:1].nbytes):
            file.write(rows[piece].contiguous().numpy().data)
