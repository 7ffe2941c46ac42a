"""Every format, value by value."""

import json
import zipfile
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

from app.datasets.errors import DatasetError
from app.datasets.formats import guess_format
from app.datasets.limits import Limits
from app.datasets.readers import csv, read
from tests.app.datasets import files

LIMITS = Limits()


def columns(format: str, paths: dict[str, Path], **options: Any) -> dict[str, Any]:
    """All batches joined."""
    table = read(format, paths, LIMITS, **options)
    joined: dict[str, Any] = {}
    for name in table.names:
        parts = [batch[name] for batch in table.batches([name])]
        joined[name] = list(chain(*parts)) if isinstance(parts[0], list) else np.concatenate(parts)
    return joined


def test_csv_numbers_are_float64_and_missing_ones_nan(tmp_path: Path) -> None:
    found = columns("csv", files.put(tmp_path, file='﻿a;b;c\n0.1;NA;x\n-1e-3;+2;\n .5 ;3;"y\nz"\n'))
    assert_array_equal(found["a"], [0.1, -1e-3, 0.5])
    assert_array_equal(found["b"], [np.nan, 2.0, 3.0])
    assert found["c"] == ["x", None, "y\nz"]
    assert found["a"].dtype == np.float64


def test_csv_decimals_are_those_of_python(tmp_path: Path) -> None:
    values = np.random.default_rng(0).standard_normal(500) * 10.0 ** np.arange(-250, 250)
    text = "x,y\n" + "".join(f"{value!r},0\n" for value in values.tolist())
    assert_array_equal(columns("csv", files.put(tmp_path, file=text))["x"], values)


def test_csv_is_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv, "BLOCK_BYTES", 1000)
    text = "x,y\n" + "".join(f"{i},{'word' if i == 900 else i}\n" for i in range(1000))
    table = read("csv", files.put(tmp_path, file=text), LIMITS)
    assert table.types == {"x": "number", "y": "text"}
    assert table.warnings == ("column 'y' is text: row 901 holds 'word', where all rows before hold numbers",)
    batches = list(table.batches(["x"]))
    assert len(batches) > 5
    assert_array_equal(np.concatenate([batch["x"] for batch in batches]), np.arange(1000.0))


@pytest.mark.parametrize(
    "content", ["\n\r\nx,y\n1,a\n2,b\n", "x,y\r1,a\r2,b\r", '"x";"y"\n"1";"a"\n"2";"b"', "x,y\n\n1,a\n\n2,b\n\n"]
)
def test_csv_of_every_hand(tmp_path: Path, content: str) -> None:
    found = columns("csv", files.put(tmp_path, file=content))
    assert_array_equal(found["x"], [1, 2])
    assert found["y"] == ["a", "b"]


def test_known_types_spare_the_first_pass(tmp_path: Path) -> None:
    found = columns("csv", files.put(tmp_path, file="a,b\n1,2\n"), types={"a": "text", "b": "number"})
    assert found["a"] == ["1"]


def test_parquet_keeps_types_and_nests_lists(tmp_path: Path) -> None:
    data = {
        "i": pa.array([1, None, 3]),
        "f": pa.array([0.1, 0.2, 0.3], pa.float32()),
        "b": [True, False, True],
        "n": [True, None, False],
        "t": ["x", None, "x"],
        "v": pa.array([[[1, 2], [3, 4]]] * 3, pa.list_(pa.list_(pa.uint8()))),
    }
    found = columns("parquet", files.put(tmp_path, file=files.table(data, row_group_size=2)))
    assert_array_equal(found["i"], [1.0, np.nan, 3.0])
    assert_array_equal(found["f"], np.array([0.1, 0.2, 0.3], np.float32))
    assert_array_equal(found["b"], [1, 0, 1])
    assert_array_equal(found["n"], [1, np.nan, 0])
    assert found["t"] == ["x", None, "x"]
    assert found["v"].shape == (3, 2, 2)
    assert found["v"].dtype == np.uint8


def test_parquet_has_dates_as_text_like_csv(tmp_path: Path) -> None:
    noon = datetime(2026, 3, 1, 12, 30)
    data = {
        "day": pa.array([noon.date(), None]),
        "hour": pa.array([noon.time(), noon.time()]),
        "at": pa.array([noon, None], pa.timestamp("ms")),
        "there": pa.array([noon, noon], pa.timestamp("s", "Europe/Berlin")),
        "none": pa.nulls(2),
    }
    found = columns("parquet", files.put(tmp_path, file=files.table(data)))
    assert found["day"] == ["2026-03-01", None]
    assert found["hour"] == ["12:30:00.000000", "12:30:00.000000"]
    assert found["at"] == ["2026-03-01 12:30:00.000", None]
    assert found["there"] == ["2026-03-01 12:30:00.000"] * 2  # in UTC
    assert_array_equal(found["none"], [np.nan, np.nan])


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_npz_in_either_order_and_any_byte_order(tmp_path: Path, method: int) -> None:
    x = np.arange(24.0).reshape(4, 3, 2)
    content = files.npz(x=x, f=np.asfortranarray(x), big=np.arange(4, dtype=">i4"), y=np.array(["a", "b", "a", "c"]))
    found = columns("npz", files.put(tmp_path, file=content))
    assert_array_equal(found["x"], x)
    assert_array_equal(found["f"], x)
    assert_array_equal(found["big"], [0, 1, 2, 3])
    assert found["y"] == ["a", "b", "a", "c"]


def test_json_lines(tmp_path: Path) -> None:
    content = files.lines({"text": "so gut ☺", "label": 1}, {"text": "", "label": 0, "n": 0.5}, {"label": True})
    found = columns("jsonl", files.put(tmp_path, file=content + b"\n"))
    assert found["text"] == ["so gut ☺", "", None]
    assert_array_equal(found["label"], [1, 0, 1])
    assert_array_equal(found["n"], [np.nan, 0.5, np.nan])


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_images_have_a_channel(tmp_path: Path, zipped: bool) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    labels = np.arange(5, dtype=np.uint8)
    paths = files.put(tmp_path, images=files.idx(images, zipped=zipped), labels=files.idx(labels, zipped=zipped))
    found = columns("idx", paths)
    assert_array_equal(found["image"], images[:, None])
    assert_array_equal(found["label"], labels)
    assert found["image"].dtype == np.uint8


def test_idx_four_dimensions_and_wider_types(tmp_path: Path) -> None:
    images = np.arange(2 * 3 * 2 * 2, dtype=np.int16).reshape(2, 3, 2, 2) - 5
    paths = files.put(tmp_path, images=files.idx(images), labels=files.idx(np.array([7, 300], np.int32)))
    found = columns("idx", paths)
    assert_array_equal(found["image"], images)
    assert_array_equal(found["label"], [7, 300])


def test_images_in_class_folders(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    colour = [generator.integers(0, 256, (4, 6, 3), dtype=np.uint8) for _ in range(2)]
    members = {
        "set/dog/a.png": files.png(colour[0]),
        "set/cat/b.bmp": files.png(colour[1], "BMP"),
        "set/cat/a.png": files.png(np.full((4, 6), 9, np.uint8)),
        "__MACOSX/set/cat/._a.png": b"",
        "set/.DS_Store": b"",
    }
    found = columns("images", files.put(tmp_path, file=files.zipped(members)))
    assert found["label"] == ["cat", "cat", "dog"]
    assert found["image"].shape == (3, 3, 4, 6)
    assert_array_equal(found["image"][0], np.full((3, 4, 6), 9))
    assert_array_equal(found["image"][1], colour[1].transpose(2, 0, 1))


def test_grey_images_have_one_channel(tmp_path: Path) -> None:
    members = {f"{i}/x.png": files.png(np.full((2, 2), i, np.uint8)) for i in range(3)}
    assert_array_equal(
        columns("images", files.put(tmp_path, file=files.zipped(members)))["image"][:, 0, 0, 0], [0, 1, 2]
    )


@pytest.mark.parametrize(
    ("members", "classes", "warned"),
    [
        (["set/cat/1.png", "set/dog/1.png"], ["cat", "dog"], False),
        (["set/cat/1.png", "set/cat/2.png"], ["cat", "cat"], False),
        (["set/cat/young/1.png", "set/cat/2.png", "set/dog/1.png"], ["cat", "cat", "dog"], True),
    ],
)
def test_classes_are_the_first_folders_that_differ(
    tmp_path: Path, members: list[str], classes: list[str], warned: bool
) -> None:
    content = files.zipped(dict.fromkeys(members, files.png(np.zeros((2, 2), np.uint8))))
    table = read("images", files.put(tmp_path, file=content), LIMITS)
    assert next(iter(table.batches(["label"])))["label"] == classes
    assert bool(table.warnings) == warned


def test_sixteen_bits_of_grey_keep_the_upper_eight(tmp_path: Path) -> None:
    wide = np.array([[0, 255, 256], [4660, 32768, 65535]], np.uint16)
    members = {"a/1.png": files.png(wide), "b/1.pgm": b"P5\n3 2\n65535\n" + wide.astype(">u2").tobytes()}
    found = columns("images", files.put(tmp_path, file=files.zipped(members)))["image"]
    assert found.shape == (2, 1, 2, 3)
    for image in found:
        assert_array_equal(image[0], wide >> 8)


def test_vectors_by_tabs_and_a_first_word_with_spaces(tmp_path: Path) -> None:
    found = columns("vectors", files.put(tmp_path, file=". . 1 2\na\t3\t4\n"))
    assert found["word"] == [". .", "a"]
    assert_array_equal(found["vector"], [[1, 2], [3, 4]])


@pytest.mark.parametrize("header", ["", "3 2\n"])
def test_vectors(tmp_path: Path, header: str) -> None:
    found = columns("vectors", files.put(tmp_path, file=header + "the 0.5 1\n. . 2e-1 -1\né 3 4 \n"))
    assert found["word"] == ["the", ". .", "é"]
    assert_array_equal(found["vector"], [[0.5, 1], [0.2, -1], [3, 4]])


@pytest.mark.parametrize(
    ("roles", "name", "format"),
    [
        ({"file"}, "A.CSV", "csv"),
        ({"file"}, "x.parquet", "parquet"),
        ({"file"}, "x.npz", "npz"),
        ({"file"}, "x.jsonl", "jsonl"),
        ({"file"}, "x.zip", "images"),
        ({"file"}, "glove.6B.100d.txt", "vectors"),
        ({"images", "labels"}, "", "idx"),
        ({"file"}, "x", None),
        ({"images"}, "x.csv", "idx"),
    ],
)
def test_formats_by_name(roles: set[str], name: str, format: str | None) -> None:
    assert guess_format(frozenset(roles), name) == format


def test_an_unknown_column_is_named(tmp_path: Path) -> None:
    table = read("csv", files.put(tmp_path, file=files.IRIS), LIMITS)
    with pytest.raises(DatasetError, match="no column 'height'; there are: length, width, species"):
        list(table.batches(["height"]))


def test_json_text_with_a_half_surrogate(tmp_path: Path) -> None:
    content = json.dumps({"text": "\ud800", "label": 1}).encode()
    with pytest.raises(DatasetError, match="row 1, column 'text': half of a surrogate pair"):
        read("jsonl", files.put(tmp_path, file=content), LIMITS)
