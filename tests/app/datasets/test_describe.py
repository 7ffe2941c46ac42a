"""What is told of a data set, and what a sample of it then is."""

from pathlib import Path

import numpy as np
import pytest

from app.datasets.describe import describe
from app.datasets.errors import DatasetError
from app.datasets.limits import Limits
from app.datasets.selection import select
from tests.app.datasets import files


def test_types_ranges_missing_values_and_classes(tmp_path: Path) -> None:
    found = describe("csv", files.put(tmp_path, file=files.IRIS), "species", Limits())
    assert found["samples"] == 3
    length, width, species = found["columns"]
    assert length == {
        "name": "length",
        "type": "number",
        "dtype": "float64",
        "shape": [],
        "missing": 0,
        "min": 4.9,
        "max": 7.0,
    }
    assert (width["missing"], width["min"]) == (1, 3.2)
    assert (species["values"], species["counts"]) == (["setosa", "virginica"], [2, 1])
    selection = select(found)
    assert (selection.inputs, selection.shape, selection.dtype) == (["length", "width"], (2,), "float64")
    assert (selection.classes, selection.class_counts, selection.missing) == (2, (2, 1), ["width"])


@pytest.mark.parametrize(
    ("targets", "classes", "values"),
    [
        ([0, 2, 2], 3, None),  # whole numbers from 0 are the classes themselves
        ([-1, 1, 1], 2, [-1, 1]),
        ([0.0, 1.0, 0.0], 2, None),
        ([0.5, 1.0, 0.0], None, None),
        ([0, 1, 10**6], None, None),
    ],
)
def test_which_numbers_are_classes(
    tmp_path: Path, targets: list[float], classes: int | None, values: list[int] | None
) -> None:
    text = "x,y\n" + "".join(f"{i}.5,{target}\n" for i, target in enumerate(targets))
    selection = select(describe("csv", files.put(tmp_path, file=text), "y", Limits()))
    assert (selection.classes, selection.class_values) == (classes, values)


def test_images_tokens_and_text_have_their_own_shapes(tmp_path: Path) -> None:
    images = files.put(
        tmp_path, images=files.idx(np.zeros((4, 2, 2), np.uint8)), labels=files.idx(np.arange(4, dtype="u1"))
    )
    selection = select(describe("idx", images, None, Limits()))
    assert (selection.shape, selection.dtype, selection.classes) == ((1, 2, 2), "uint8", 4)
    tokens = files.put(tmp_path, file=files.npz(x=np.zeros((3, 5), np.int64), y=np.zeros((3, 5), np.int64)))
    selection = select(describe("npz", tokens, None, Limits()))
    assert (selection.shape, selection.dtype, selection.target_shape) == ((5,), "int64", (5,))
    texts = files.put(
        tmp_path, file=files.lines({"id": "a", "text": "b", "label": 0}, {"id": "c", "text": "d", "label": 1})
    )
    selection = select(describe("jsonl", texts, None, Limits()))
    assert (selection.inputs, selection.dtype, selection.targets) == (["text"], "text", ["label"])


def test_columns_choose_inputs_targets_and_weight(tmp_path: Path) -> None:
    text = "a,b,c,w,kind\n1,2,3,1,x\n4,5,6,2,y\n"
    found = describe("csv", files.put(tmp_path, file=text), "c", Limits())
    selection = select(found, {"inputs": ["b", "kind"], "target": ["a", "c"], "weight": "w"})
    assert (selection.shape, selection.target_shape, selection.target_dtype) == ((2,), (2,), "float64")
    assert selection.categories == {"kind": ["x", "y"]}
    for columns, pointer in [
        ({"inputs": ["a", "z"]}, "/inputs/1"),
        ({"inputs": ["c"]}, "/inputs/0"),
        ({"target": "z"}, "/target"),
        ({"target": ["a", "kind"]}, "/target"),
        ({"weight": "kind"}, "/weight"),
    ]:
        with pytest.raises(DatasetError) as caught:
            select(found, columns)
        assert caught.value.pointer == pointer


def test_a_csv_needs_a_target_that_it_has(tmp_path: Path) -> None:
    paths = files.put(tmp_path, file=files.IRIS)
    for target in (None, "colour"):
        with pytest.raises(DatasetError) as caught:
            describe("csv", paths, target, Limits())
        assert caught.value.pointer == "/target"


def test_any_number_can_be_described(tmp_path: Path) -> None:
    """Nothing stands in a description that JSON's 64 bits cannot hold."""
    content = files.npz(
        big=np.full(3, 1e300), long=np.ones(3, np.longdouble), flag=np.array([True, False, True]), y=np.arange(3)
    )
    found = {
        column["name"]: column
        for column in describe("npz", files.put(tmp_path, file=content), None, Limits())["columns"]
    }
    assert "values" not in found["big"]
    assert (found["long"]["dtype"], found["long"]["max"]) == ("float64", 1.0)
    assert (found["flag"]["min"], found["flag"]["max"], found["flag"]["values"]) == (0, 1, [0, 1])
    assert found["flag"]["min"] is not False


def test_lists_with_missing_whole_numbers_are_floats_wherever_these_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.datasets.readers.parquet.rows_at_once", lambda _: 1)
    content = files.table({"v": [[1, None], [3, 4]], "y": [0, 1]}, row_group_size=1)
    column = describe("parquet", files.put(tmp_path, file=content), None, Limits())["columns"][0]
    assert (column["dtype"], column["missing"]) == ("float64", 1)
