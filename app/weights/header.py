"""The header of a safetensors file, read and checked without torch.

8 bytes (the header's length, little-endian), a JSON object, the tensors' bytes without gaps or overlaps:
https://github.com/huggingface/safetensors#format
"""

import json
import math
import struct
from pathlib import Path
from typing import Any

MAX_HEADER_BYTES = 16 * 2**20
MAX_TENSORS = 100_000
MAX_NAME = 500
MAX_DIMENSIONS = 16
BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip

Tensors = dict[str, dict[str, Any]]
"""{name: {"dtype", "shape"}}"""


class BadWeights(ValueError):
    """The file is not what it should be; the message is a sentence for the client."""


def read_tensors(path: Path) -> Tensors:
    """What the file holds, in the order of its bytes. Raises BadWeights."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        length = struct.unpack("<Q", head)[0] if len(head) == 8 else 0
        if not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
            raise BadWeights("is no safetensors file: it does not begin with a header's length")
        text = file.read(length)
    if not text.startswith(b"{"):
        raise BadWeights("is no safetensors file: its header is no JSON object")
    try:
        header = json.loads(text.decode(), object_pairs_hook=_without_doubles, parse_constant=_refuse_constant)
    except BadWeights:
        raise
    except (ValueError, RecursionError) as error:
        raise BadWeights("is no safetensors file: its header is no JSON") from error
    return _checked(header, size - 8 - length)


def _checked(header: dict[str, Any], size: int) -> Tensors:
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise BadWeights("has metadata that is no text")
    if not header or len(header) > MAX_TENSORS:
        raise BadWeights(f"has {len(header)} tensors: 1 to {MAX_TENSORS} are taken")
    for name, entry in header.items():
        if not _is_tensor(name, entry):
            raise BadWeights(f"has a wrong entry for the tensor {name[:100]!r}")
    found: Tensors = {}
    place = 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = entry["data_offsets"]
        if begin != place or end - begin != BYTES[entry["dtype"]] * math.prod(entry["shape"]):
            raise BadWeights(f"has a tensor whose bytes are not where they should be: {name[:100]!r}")
        place = end
        found[name] = {"dtype": entry["dtype"], "shape": entry["shape"]}
    if place != size:
        raise BadWeights(f"has {size} bytes of tensors, its header tells of {place}")
    return found


def _is_tensor(name: str, entry: Any) -> bool:
    if len(name) > MAX_NAME or not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        return False
    shape, offsets = entry["shape"], entry["data_offsets"]
    sizes_fit = isinstance(shape, list) and len(shape) <= MAX_DIMENSIONS and all(map(_is_size, shape))
    offsets_fit = isinstance(offsets, list) and len(offsets) == 2 and all(map(_is_size, offsets))
    dtype = entry["dtype"]
    return sizes_fit and offsets_fit and isinstance(dtype, str) and dtype in BYTES and _is_text(name)


def _is_text(name: str) -> bool:
    """JSON's escapes can make half characters, which nothing can write again."""
    return "\0" not in name and not any("\ud800" <= letter <= "\udfff" for letter in name)


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadWeights("has a header that names a tensor twice")
    return found


def _refuse_constant(text: str) -> None:
    raise BadWeights(f"has {text} in its header")
