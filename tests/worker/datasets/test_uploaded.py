"""Uploaded data as the trainer's preparation gets it: values, types, classes, mapped from disk and made once."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from app.blobs import blob_path
from app.datasets.describe import describe
from app.datasets.errors import DatasetError
from app.datasets.limits import Limits
from app.datasets.stored import Stored
from tests.app.datasets import files
from worker.datasets.texts import Texts
from worker.datasets.uploaded import Loaded, load

TABLE = "a,b,kind,w,y\n0.1,1,x,1,no\n-2,,z,0.5,yes\n3e5,7,x,2,no\n"


def stored(store: Path, format: str, target: str | None = None, **contents: bytes | str) -> Stored:
    """The contents as an upload leaves them in the store."""
    hashes = {}
    for role, content in contents.items():
        data = content.encode() if isinstance(content, str) else content
        hashes[role] = hashlib.sha256(data).hexdigest()
        path = blob_path(store, hashes[role])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    paths = {role: blob_path(store, sha256) for role, sha256 in hashes.items()}
    description = describe(format, paths, target, Limits())
    return Stored("ds_x", format, "".join(sorted(hashes.values())), description, hashes)


def test_a_table_keeps_its_float64(tmp_path: Path) -> None:
    found = load(stored(tmp_path, "csv", "y", file=TABLE), tmp_path, {"inputs": ["a", "b", "kind"], "weight": "w"})
    assert found.inputs.dtype == np.float64
    assert_array_equal(found.inputs, [[0.1, 1, 0], [-2, np.nan, 1], [3e5, 7, 0]])
    assert_array_equal(found.targets, [0, 1, 0])
    assert_array_equal(found.weights, [1, 0.5, 2])
    assert isinstance(found.inputs, np.memmap)
    assert found.selection.class_values == ["no", "yes"]


def test_targets_as_numbers(tmp_path: Path) -> None:
    table = stored(tmp_path, "csv", "y", file=TABLE)
    found = load(table, tmp_path, {"inputs": ["kind"], "target": ["w", "a"]}, target="number")
    assert_array_equal(found.targets, [[1, 0.1], [0.5, -2], [2, 3e5]])
    found = load(table, tmp_path, {"inputs": ["a"], "target": "w"}, target="number")
    assert_array_equal(found.targets, [1, 0.5, 2])
    with pytest.raises(DatasetError, match="column 'y': is text: this loss takes numbers"):
        load(table, tmp_path, {"inputs": ["a"]}, target="number")
    with pytest.raises(DatasetError, match="'b' has missing values"):
        load(table, tmp_path, {"inputs": ["a"], "target": "b"})


def test_two_classes_of_any_name_are_zero_and_one_for_a_binary_loss(tmp_path: Path) -> None:
    for labels in ("no,yes,no", "-1,1,-1", "0,1,0"):
        content = "x,y\n" + "".join(f"{row},{label}\n" for row, label in enumerate(labels.split(",")))
        table = stored(tmp_path, "csv", "y", file=content)
        assert_array_equal(load(table, tmp_path, target="binary").targets, [0, 1, 0])
    shares = stored(tmp_path, "csv", "y", file="x,y\n1,0.25\n2,1\n")
    assert_array_equal(load(shares, tmp_path, target="binary").targets, [0.25, 1])


def test_negative_labels_are_numbered_for_classes_and_kept_for_numbers(tmp_path: Path) -> None:
    table = stored(tmp_path, "csv", "y", file="x,y\n1,-1\n2,1\n3,-1\n")
    assert_array_equal(load(table, tmp_path).targets, [0, 1, 0])
    assert_array_equal(load(table, tmp_path, target="number").targets, [-1, 1, -1])


def test_another_part_takes_the_training_parts_classes(tmp_path: Path) -> None:
    train = stored(tmp_path, "csv", "y", file="x,y\n1,b\n2,a\n3,c\n")
    like = load(train, tmp_path).selection
    part = stored(tmp_path, "csv", "y", file="x,y\n1,c\n2,b\n")
    assert_array_equal(load(part, tmp_path, like=like).targets, [2, 1])
    stranger = stored(tmp_path, "csv", "y", file="x,y\n1,d\n2,b\n")
    with pytest.raises(DatasetError, match="'d' is no class of the training part"):
        load(stranger, tmp_path, like=like)
    digits = load(stored(tmp_path, "csv", "y", file="x,y\n1,0\n2,2\n"), tmp_path).selection
    with pytest.raises(DatasetError, match="-1 is no class of the training part"):
        load(stored(tmp_path, "csv", "y", file="x,y\n1,0\n2,-1\n"), tmp_path, like=digits)
    with pytest.raises(DatasetError, match="3 is no class of the training part"):
        load(stored(tmp_path, "csv", "y", file="x,y\n1,0\n2,3\n"), tmp_path, like=digits)


def test_pixels_stay_bytes(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 3, 3), dtype=np.uint8)
    contents = {"images": files.idx(pixels, zipped=True), "labels": files.idx(np.array([4, 0, 1, 1, 2], "u1"))}
    found = load(stored(tmp_path, "idx", **contents), tmp_path)
    assert_array_equal(found.inputs, pixels[:, None])
    assert found.inputs.dtype == np.uint8
    assert_array_equal(found.targets, [4, 0, 1, 1, 2])
    assert found.targets.dtype == np.int64


def test_tokens_and_arrays(tmp_path: Path) -> None:
    tokens = np.arange(12, dtype=np.int32).reshape(3, 4)
    found = load(stored(tmp_path, "npz", file=files.npz(x=tokens, y=tokens + 1)), tmp_path)
    assert_array_equal(found.inputs, tokens)
    assert_array_equal(found.targets, tokens + 1)
    assert found.targets.dtype == np.int64


def test_texts_are_read_one_by_one(tmp_path: Path) -> None:
    rows = [{"text": text, "label": label} for text, label in (("naïve ☺", "pos"), ("", "neg"), ("ab", "pos"))]
    found = load(stored(tmp_path, "jsonl", file=files.lines(*rows)), tmp_path)
    assert isinstance(found.inputs, Texts)
    assert list(found.inputs) == found.inputs[:] == ["naïve ☺", "", "ab"]
    assert (found.inputs[-1], found.inputs[1], len(found.inputs)) == ("ab", "", 3)
    assert_array_equal(found.targets, [1, 0, 1])


def test_word_vectors(tmp_path: Path) -> None:
    vectors = stored(tmp_path, "vectors", file="the 1 2\na 3 4\n")
    assert_array_equal(load(vectors, tmp_path).inputs, [[1, 2], [3, 4]])
    assert list(load(vectors, tmp_path, {"inputs": ["word"]}).inputs) == ["the", "a"]


def test_the_second_job_reads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = stored(tmp_path, "csv", "y", file=TABLE)
    first = load(table, tmp_path, {"inputs": ["a"]})
    refuse: Any = pytest.fail
    monkeypatch.setattr("worker.datasets.uploaded.read", lambda *_: refuse("read again"))
    again = load(table, tmp_path, {"inputs": ["a"]})
    assert_array_equal(again.inputs, first.inputs)


def test_what_a_job_writes_to_its_pages_stays_its_own(tmp_path: Path) -> None:
    table = stored(tmp_path, "csv", "y", file=TABLE)
    first: Loaded = load(table, tmp_path, {"inputs": ["a"]})
    first.inputs[:] = 0
    assert_array_equal(load(table, tmp_path, {"inputs": ["a"]}).inputs, [[0.1], [-2], [3e5]])


def test_a_damaged_file_is_found(tmp_path: Path) -> None:
    table = stored(tmp_path, "csv", "y", file=TABLE)
    path = blob_path(tmp_path, table.files["file"])
    path.write_text(TABLE.replace("3e5", "4e5"))
    with pytest.raises(DatasetError, match="damaged"):
        load(table, tmp_path)
    path.unlink()
    with pytest.raises(DatasetError, match="gone"):
        load(table, tmp_path)
    assert not any((tmp_path / "prepared").rglob("*.npy"))


def test_a_broken_making_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = stored(tmp_path, "csv", "y", file=TABLE)

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("worker.datasets.uploaded._inputs", fail)
    with pytest.raises(OSError, match="disk full"):
        load(table, tmp_path, {"inputs": ["a"]})
    assert list((tmp_path / "prepared" / "columns").iterdir()) == []
