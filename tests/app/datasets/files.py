"""Small files of every format, made by the tests."""

import gzip
import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow import parquet

IRIS = "length,width,species\n5.1,3.5,setosa\n4.9,,virginica\n7,3.2,setosa\n"


def idx(array: np.ndarray, *, zipped: bool = False) -> bytes:
    codes = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, codes[array.dtype.str[1:]], array.ndim, *array.shape)
    data = header + array.astype(array.dtype.newbyteorder(">")).tobytes()
    return gzip.compress(data) if zipped else data


def npz(**arrays: Any) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def png(array: np.ndarray, format: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, format)
    return out.getvalue()


def table(columns: dict[str, Any], **options: Any) -> bytes:
    out = io.BytesIO()
    parquet.write_table(pa.table(columns), out, **options)
    return out.getvalue()


def lines(*objects: Any) -> bytes:
    return "".join(json.dumps(item) + "\n" for item in objects).encode()


def put(folder: Path, **contents: bytes | str) -> dict[str, Path]:
    """The contents as files, by role."""
    files = {}
    for role, content in contents.items():
        files[role] = folder / role
        files[role].write_bytes(content.encode() if isinstance(content, str) else content)
    return files
