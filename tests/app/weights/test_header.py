"""What a safetensors file must be, said without torch; and the same as safetensors says."""

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from app.weights.header import BadWeights, read_tensors
from tests.app.weights.files import safetensors, with_header

ENTRY: dict[str, Any] = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def read(content: bytes, folder: Path) -> Any:
    path = folder / "file"
    path.write_bytes(content)
    return read_tensors(path)


def test_every_dtype_that_safetensors_writes_is_read(tmp_path: Path) -> None:
    dtypes = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.float16, torch.bfloat16, torch.int32)
    dtypes += (torch.float32, torch.int64, torch.float64)
    tensors = {str(dtype): torch.zeros(2, 3, dtype=dtype) for dtype in dtypes} | {"scalar": torch.zeros(())}
    save_file(tensors, tmp_path / "file", {"made": "here"})
    found = read_tensors(tmp_path / "file")
    assert {name: entry["shape"] for name, entry in found.items()} == {
        name: list(tensor.shape) for name, tensor in tensors.items()
    }


HOSTILE: list[tuple[bytes, str]] = [
    (b"", "does not begin"),
    (b"\xff" * 64, "does not begin"),
    (b"PK\x03\x04" + b"\0" * 60, "does not begin"),
    (with_header(b"[]"), "no JSON object"),
    (with_header(b"{" + b'"a":{' * 100_000), "no JSON"),
    (with_header(b"{}"), "0 tensors"),
    (with_header({"__metadata__": {"a": 1}, "x": ENTRY}, b"\0" * 8), "metadata"),
    (with_header(b'{"x":{"dtype":"F32","dtype":"F32"}}'), "twice"),
    (with_header(b'{"x":NaN}'), "NaN"),
    (with_header({"x": 3}), "wrong entry"),
    (with_header({"x": {**ENTRY, "code": "import os"}}, b"\0" * 8), "wrong entry"),
    (with_header({"x": {**ENTRY, "dtype": "object"}}, b"\0" * 8), "wrong entry"),
    (with_header({"x": {**ENTRY, "shape": [-2]}}, b"\0" * 8), "wrong entry"),
    (with_header({"x": {**ENTRY, "shape": [True, 2]}}, b"\0" * 8), "wrong entry"),
    (with_header({"x": {**ENTRY, "shape": [2**52, 2**52]}}, b"\0" * 8), "where they should be"),
    (with_header({"x\0": ENTRY}, b"\0" * 8), "wrong entry"),
    (with_header(b'{"\\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', b"\0" * 8), "wrong entry"),
    (with_header({"x": ENTRY, "y": ENTRY}, b"\0" * 8), "where they should be"),  # two names for the same bytes
    (with_header({"x": {**ENTRY, "data_offsets": [8, 16]}}, b"\0" * 16), "where they should be"),
    (with_header({"x": ENTRY}, b"\0" * 9), "9 bytes"),
    (with_header({"x": ENTRY}, b"\0" * 7), "7 bytes"),
]


@pytest.mark.parametrize(("content", "sentence"), HOSTILE)
def test_what_is_no_safetensors_file_is_refused(content: bytes, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match=sentence):
        read(content, tmp_path)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_changed_file_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    content = bytearray(safetensors({"a": [2, 3], "b": [4]}))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(BadWeights):
        assert read(bytes(content), Path(folder))
