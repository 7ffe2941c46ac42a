# ruff: noqa: E501 (tables of files, one a line)
"""Files made to break their readers: each is refused with a sentence, by the child process that looks at it."""

import gzip
import io
import json
import pickle
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from app.datasets.describe import describe
from app.datasets.errors import DatasetError, DatasetTooLarge
from app.datasets.inspect import inspect
from app.datasets.limits import Limits
from tests.app.datasets import files

SMALL = Limits(decoded_bytes=2**20, rows=1000)
TIGHT = Limits(memory_bytes=2**30, seconds=20)


def npy(header: str, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def npy_header(shape: Any, descr: str = "<f8") -> str:
    return f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}\n"


def symlink() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("cat/a.png")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    return out.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and brings next to nothing."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0")),
        (b"IEND", b""),
    ]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def encrypted() -> bytes:
    content = bytearray(files.zipped({"cat/a.png": b"x"}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    content[6] |= 1
    return bytes(content)


class Exploit:
    def __reduce__(self) -> Any:
        return print, ("unpickled",)


WRONG: list[tuple[str, str, bytes | dict[str, bytes], str]] = [
    ("csv", "no header", b"", "no header line"),
    ("csv", "header only", b"x,y\n", "no rows"),
    ("csv", "header and no line end", b"x,y", "no rows"),
    ("csv", "ragged", b"x,y\n\n1,2\n3\n", "row 2: Expected 2 columns, got 1"),
    ("csv", "not UTF-8", b"x,y\n1,2\n\xff\xfe,1\n", "(?i)row 2, column 'x': invalid UTF-?8"),
    ("csv", "open quote", b'x,y\n1,"a\n2,b\n', "the quote before .* never ends"),
    ("csv", "line break in a name", b'"x\n1",y\n1,2\n', "name of column 1 is longer than 200 characters or not printable"),
    ("csv", "header not UTF-8", b"\xff,y\n1,2\n", "header is not UTF-8"),
    ("csv", "infinite", b"x,y\n1,2\n-inf,1\n", "row 2, column 'x': is infinite"),
    ("csv", "target missing", b"x,y\n1,2\n3,\n", "row 2, column 'y': the target is missing"),
    ("csv", "two of a name", b"y,y\n1,2\n", "two columns are called 'y'"),
    ("csv", "pandas index", b",y\n0,2\n", "to_csv"),
    ("csv", "only the target", b"y\n0\n", "nothing to learn from"),
    ("csv", "too many columns", ",".join(f"c{i}" for i in range(10_001)).encode() + b"\n1\n", "10,001 columns"),
    ("csv", "one endless line", b"x" * (2**20 + 1), "first line is longer"),
    ("csv", "zip in disguise", files.zipped({"a": b"b"}) + b"\n1\n", "UTF-8|printable|no column"),
    ("parquet", "not Parquet", b"PAR1" + b"x" * 50 + b"PAR1", "not a readable Parquet file"),
    ("parquet", "durations", files.table({"t": pa.array([1, 2], pa.duration("s"))}), "is of type duration"),
    ("parquet", "ragged lists", files.table({"v": [[1, 2], [1]]}), "different lengths"),
    ("parquet", "empty lists", files.table({"v": pa.array([[], []], pa.list_(pa.int8()))}), "column 'v': the lists are empty"),
    ("parquet", "not UTF-8", files.table({"t": pa.array([b"\xff", b"a"]).view(pa.string())}), "column 't': is not UTF-8"),
    ("parquet", "huge footer", b"PAR1" + struct.pack("<I", 2**31 - 8) + b"PAR1", "not a readable Parquet file"),
    ("npz", "not a zip", b"PK\x03\x04" + b"x" * 100, "not a readable zip"),
    ("npz", "no arrays", files.zipped({}), "no arrays"),
    ("npz", "another file", files.zipped({"x.txt": b"x"}), "no .npy array"),
    ("npz", "a pickle", files.npz(x=np.array([Exploit()], dtype=object)), "never loaded"),
    ("npz", "pickle in disguise", files.zipped({"x.npy": pickle.dumps(Exploit())}), "broken header"),
    ("npz", "huge shape", files.zipped({"x.npy": npy(npy_header((2**40, 2**20)))}), "does not fit"),
    ("npz", "negative shape", files.zipped({"x.npy": npy(npy_header((-1,)))}), "shape|broken header"),
    ("npz", "huge header", files.zipped({"x.npy": npy("(" * 60_000)}), "broken header"),
    ("npz", "deep header", files.zipped({"x.npy": npy("[" * 9_000 + "\n")}), "broken header"),
    ("npz", "complex", files.npz(x=np.ones(3, complex)), "numbers and text train"),
    ("npz", "uneven", files.npz(x=np.ones(3), y=np.ones(2)), "different numbers of samples: x 3, y 2"),
    ("npz", "a number", files.npz(x=np.float64(3)), "the first axis counts"),
    ("npz", "truncated", files.npz(x=np.ones(3))[:-30], "not a readable zip"),
    ("npz", "half a surrogate pair", files.npz(x=np.ones(2), y=np.array([0xD800, 65], np.uint32).view("<U1")), "no Unicode"),
    ("npz", "beyond Unicode", files.npz(x=np.ones(2), y=np.array([65, 0x110000], np.uint32).view("<U1")), "no Unicode"),
    ("npz", "infinite", files.npz(x=np.array([[1, 2], [3, np.inf]])), "row 2, column 'x': is infinite"),
    ("jsonl", "empty", b"\n\n", "no rows"),
    ("jsonl", "not JSON", b'{"text": "a", "label": 1}\n{"text"\n', "row 2: is not a line of JSON"),
    ("jsonl", "a list", b"[1]\n", "must be an object"),
    ("jsonl", "deep", b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "not a line of JSON|must be text"),
    ("jsonl", "long integer", b'{"a": ' + b"9" * 10_000 + b"}", "not a line of JSON"),
    ("jsonl", "beyond float64", b'{"a": ' + b"9" * 400 + b"}", "too large for float64"),
    ("jsonl", "NaN", b'{"a": NaN}', "NaN is not JSON"),
    ("jsonl", "infinite", b'{"a": 1e999}', "infinite"),
    ("jsonl", "mixed types", b'{"a": 1}\n{"a": "x"}', "row 2, column 'a': is text here and number in earlier rows"),
    ("jsonl", "not UTF-8", b'{"a": "\xff"}', "row 1: is not UTF-8"),
    ("jsonl", "nested", b'{"a": {"b": 1}}', "must be text or a number"),
    ("idx", "not IDX", {"images": b"hello world", "labels": b"\0\0\x08\x01\0\0\0\1\0"}, "not an IDX file"),
    ("idx", "short", {"images": files.idx(np.zeros((3, 2, 2), "u1"))[:-1], "labels": files.idx(np.zeros(3, "u1"))}, "ends in row 3"),
    ("idx", "long", {"images": files.idx(np.zeros((3, 2, 2), "u1")) + b"x", "labels": files.idx(np.zeros(3, "u1"))}, "goes on"),
    ("idx", "uneven", {"images": files.idx(np.zeros((3, 2, 2), "u1")), "labels": files.idx(np.zeros(2, "u1"))}, "3 images have 2 labels"),
    ("idx", "swapped", {"labels": files.idx(np.zeros((3, 2, 2), "u1")), "images": files.idx(np.zeros(3, "u1"))}, "labels have shape"),
    ("idx", "broken gzip", {"images": b"\x1f\x8b" + b"x" * 20, "labels": files.idx(np.zeros(2, "u1"))}, "broken gzip"),
    ("idx", "cut gzip", {"images": files.idx(np.zeros((9, 2, 2), "u1"), zipped=True)[:-12], "labels": files.idx(np.zeros(9, "u1"))}, "broken gzip"),
    ("images", "leaves the zip", files.zipped({"../cat/a.png": b"x"}), "path that leaves it"),
    ("images", "absolute", files.zipped({"/cat/a.png": b"x"}), "path that leaves it"),
    ("images", "backslashes", files.zipped({"..\\cat\\a.png": b"x"}), "path that leaves it"),
    ("images", "a link", symlink(), "has a link"),
    ("images", "encrypted", encrypted(), "encrypted"),
    ("images", "no folder", files.zipped({"a.png": files.png(np.zeros((2, 2), "u1"))}), "in no class folder"),
    ("images", "no image", files.zipped({"cat/a.png": b"MZ\x90"}), "'cat/a.png' is no readable image$"),
    ("images", "a script", files.zipped({"cat/a.svg": b"<svg/>"}), "is no image"),
    ("images", "other formats", files.zipped({"cat/a.png": files.png(np.zeros((2, 2), "u1"), "TIFF")}), "no readable image"),
    ("images", "two sizes", files.zipped({"cat/a.png": files.png(np.zeros((2, 2), "u1")), "cat/b.png": files.png(np.zeros((2, 3), "u1"))}), "3 by 2, the first image 2 by 2"),
    ("images", "cut short", files.zipped({"cat/a.png": files.png(np.ones((99, 99), "u1"))[:-40]}), "no readable image"),
    ("images", "empty", files.zipped({}), "no images in class folders"),
    ("vectors", "empty", b"", "no vectors"),
    ("vectors", "ragged", b"a 1 2\nb 1\n", "row 2: must be a word and 2 numbers"),
    ("vectors", "no number", b"a 1 2\nb 1 x\n", "row 2: must be a word and numbers"),
    ("vectors", "another width than promised", b"2 3\na 1 2\nb 1 2\n", "row 1: must be a word and 3 numbers"),
    ("vectors", "not a number", b"a 1 2\nb 1 nan\n", "row 2: a number of the vector is missing or infinite"),
    ("vectors", "binary", b"2 3\na \xff\xfe\n", "not UTF-8"),
    ("vectors", "infinite", b"a 1 inf\n", "infinite"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("format", "content", "message"), [pytest.param(f, c, m, id=f"{f}-{n}") for f, n, c, m in WRONG]
)
def test_what_is_wrong_is_said(tmp_path: Path, format: str, content: bytes | dict[str, bytes], message: str) -> None:
    paths = files.put(tmp_path, **(content if isinstance(content, dict) else {"file": content}))
    with pytest.raises(DatasetError, match=message):
        describe(format, paths, "y" if format == "csv" else None, Limits())


LARGE: list[tuple[str, str, bytes | dict[str, bytes], str]] = [
    ("csv", "rows", b"x,y\n" + b"1,2\n" * 1001, "more than 1,000 rows"),
    ("parquet", "rows", files.table({"x": np.zeros(1001)}), "1,001 rows are more than 1,000"),
    ("parquet", "one text a thousand times", files.table({"t": ["x" * 2_000] * 1000}), "decodes to more than"),
    ("npz", "decoded", files.npz(x=np.zeros((10, 2**15))), "decompresses to"),
    ("idx", "images", {"images": files.idx(np.zeros((10, 400, 400), "u1"), zipped=True), "labels": files.idx(np.zeros(10, "u1"))}, "more than"),
    ("idx", "a claim", {"images": gzip.compress(b"\0\0\x08\x03" + b"\xff" * 12), "labels": gzip.compress(b"\0\0\x08\x01" + b"\xff" * 4)}, "more than"),
    ("images", "pixels", files.zipped({"cat/a.png": png_header(2**15, 2**15)}), "more than 67,108,864 pixels"),
    ("images", "decoded", files.zipped({f"cat/{i}.png": files.png(np.zeros((500, 500), "u1")) for i in range(9)}), "decode to more than"),
    ("vectors", "rows", b"a 1\n" * 1001, "decodes to more than"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("format", "content", "message"), [pytest.param(f, c, m, id=f"{f}-{n}") for f, n, c, m in LARGE]
)
def test_what_is_too_large_is_413(tmp_path: Path, format: str, content: bytes | dict[str, bytes], message: str) -> None:
    paths = files.put(tmp_path, **(content if isinstance(content, dict) else {"file": content}))
    with pytest.raises(DatasetTooLarge, match=message):
        describe(format, paths, "y" if format == "csv" else None, SMALL)


def test_a_zip_bomb_by_ratio(tmp_path: Path) -> None:
    content = files.zipped({"x.npy": npy(npy_header((2**23 + 2**20,))) + bytes(2**26 + 2**23)})
    assert len(content) < 2**17
    with pytest.raises(DatasetTooLarge, match="times its size: more than 200"):
        describe("npz", files.put(tmp_path, file=content), None, Limits())


def test_bombs_of_other_kinds_by_ratio(tmp_path: Path) -> None:
    images = gzip.compress(struct.pack(">BBBB3I", 0, 0, 8, 3, 2**27, 1, 1) + bytes(2**27), 1)
    paths = files.put(tmp_path, images=images, labels=struct.pack(">BBBBI", 0, 0, 8, 1, 2**27))
    with pytest.raises(DatasetTooLarge, match="times its size: more than 200"):
        describe("idx", paths, None, Limits())
    ones = pa.DictionaryArray.from_arrays(pa.array(np.zeros(2**26 + 1, np.int8)), pa.array(["x"]))
    with pytest.raises(DatasetTooLarge, match="times its size: more than 200"):
        describe("parquet", files.put(tmp_path, file=files.table({"t": ones})), None, Limits())


def test_more_files_than_anyone_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.datasets.readers.archive.MAX_MEMBERS", 100)
    content = files.zipped({f"a/{i}.png": b"" for i in range(101)})
    with pytest.raises(DatasetTooLarge, match="101 files in the zip"):
        describe("images", files.put(tmp_path, file=content), None, Limits())


def test_a_row_that_never_ends_is_found_in_the_child(tmp_path: Path) -> None:
    content = b'x,y\n"' + b"a" * (9 * 2**20)
    with pytest.raises(DatasetError, match="a row is longer than 4,194,304 bytes"):
        inspect("csv", files.put(tmp_path, file=content), "y", TIGHT)


def test_memory_is_limited(tmp_path: Path) -> None:
    """One JSON line may cost a hundred times its size; a row group of one page decodes at once."""
    page = files.table({"x": pa.array([[0.0] * 2**25] * 4, pa.list_(pa.float64()))}, compression="zstd")
    assert len(page) < 2**20
    with pytest.raises(DatasetTooLarge, match=r"more memory|decode"):
        inspect("parquet", files.put(tmp_path, file=page), None, Limits(memory_bytes=2**30, seconds=30))


def test_time_is_limited(tmp_path: Path) -> None:
    content = b"".join(f'{{"a": {i}, "b": "{i}"}}\n'.encode() for i in range(600_000))
    with pytest.raises(DatasetTooLarge, match="longer than 1 seconds"):
        inspect("jsonl", files.put(tmp_path, file=content), None, Limits(seconds=1))


def test_the_child_says_what_describe_says(tmp_path: Path) -> None:
    paths = files.put(tmp_path, file=files.IRIS)
    assert inspect("csv", paths, "species", TIGHT) == json.loads(json.dumps(describe("csv", paths, "species", TIGHT)))
    with pytest.raises(DatasetError, match="no column 'z'") as caught:
        inspect("csv", paths, "z", TIGHT)
    assert (caught.value.pointer, type(caught.value)) == ("/target", DatasetError)


def test_the_child_takes_no_module_from_the_folder_where_it_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = files.put(tmp_path, file=files.IRIS)
    (tmp_path / "pydoc.py").write_text("raise SystemExit('taken')")
    monkeypatch.chdir(tmp_path)
    assert inspect("csv", paths, "species", TIGHT)["target"] == "species"
