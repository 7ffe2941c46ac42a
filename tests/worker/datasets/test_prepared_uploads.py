"""From uploaded files to the tensor file: parts that go together, columns that are what the spec says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from safetensors.torch import load_file

from app.datasets.stored import Known
from app.jobs.spec import SpecError, resolve, validate
from tests.app.datasets import files
from tests.app.spec.documents import IRIS, changed
from tests.worker.datasets.test_uploaded import stored
from worker.data import prepare
from worker.datasets.uploaded import sources_of

TABLES = {
    "ds_train": "a,b,y\n1,5,p\n2,6,q\n3,7,r\n",
    "ds_turned": "y,b,a\nq,60,20\n",
    "ds_strange": "a,b,y\n1,5,z\n",
    "ds_holes": "a,b,y\n1,,p\n",
    "ds_classes": "a,b,y\n1,5,0\n2,6,2\n",
    "ds_more": "a,b,y\n1,5,3\n",
    "ds_below": "a,b,y\n1,5,-1\n2,5,1\n",
    "ds_kinds": "a,b,y\n1,u,0\n2,v,1\n,u,0\n",
    "ds_other_kinds": "a,b,y\n1,w,0\n",
    "ds_numbers": "a,b,y\n1,1,0\n",
    "ds_weights": "a,w,n,y\n1,0,-1,0\n2,0,1,1\n",
}


def known(store: Path, tables: dict[str, str]) -> Known:
    return Known(
        {
            name: {"train": replace(stored(store, "csv", "y", file=text), reference=name)}
            for name, text in tables.items()
        }
    )


def prepared(store: Path, found: Known, data: dict[str, Any], **sections: Any) -> dict[str, torch.Tensor]:
    document = changed(IRIS, {"/data": data, **{f"/{key}": value for key, value in sections.items()}})
    spec = validate(resolve(validate(document), found.facts_of))
    made = prepare(spec, store, facts_of=found.facts_of, source_of=sources_of(found, store), contents=found.contents())
    assert made is not None
    return load_file(made["file"])


def test_another_part_is_read_by_the_training_parts_names(tmp_path: Path) -> None:
    found = known(tmp_path, TABLES)
    parts = {"train": "ds_train", "validation": "ds_turned"}
    assert_array_equal(prepared(tmp_path, found, {"dataset": parts})["validation.inputs"], [[20, 60]])


ONE_HOT = {"preprocess": [{"type": "Impute"}, {"type": "OneHot", "columns": ["b"]}]}


@pytest.mark.parametrize(
    ("data", "pointer", "words"),
    [
        ({"dataset": {"train": "ds_train", "test": "ds_strange"}}, "/data/dataset/test", "has the class 'z'"),
        ({"dataset": {"train": "ds_train", "test": "ds_holes"}}, "/data/preprocess", "'b' has missing values"),
        ({"dataset": {"train": "ds_classes", "test": "ds_more"}}, "/data/dataset/test", "has the class 3"),
        ({"dataset": {"train": "ds_classes", "test": "ds_below"}}, "/data/dataset/test", "has the class -1"),
        ({"dataset": {"train": "ds_kinds", "test": "ds_other_kinds"}, **ONE_HOT}, "/data/dataset/test", "has 'w' in"),
        (
            {"dataset": {"train": "ds_kinds", "test": "ds_numbers"}, **ONE_HOT},
            "/data/dataset/test",
            "numbers in column",
        ),
        ({"dataset": "ds_train", "columns": {"inputs": ["a", "a"]}}, "/data/columns/inputs/1", "named twice"),
        ({"dataset": "ds_train", "columns": {"inputs": ["a"], "target": ["b", "b"]}}, "/data/columns/target", "twice"),
        ({"dataset": "ds_kinds", "columns": {"inputs": ["b"], "target": "a"}}, "/data/columns/target", "missing"),
        ({"dataset": "ds_weights", "columns": {"inputs": ["a"], "weight": "y"}}, "/data/columns/weight", "the target"),
        ({"dataset": "ds_weights", "columns": {"inputs": ["a"], "weight": "n"}}, "/data/columns/weight", "negative"),
        ({"dataset": "ds_weights", "columns": {"inputs": ["a"], "weight": "w"}}, "/data/columns/weight", "zeros"),
        ({"dataset": "ds_kinds", "preprocess": [{"type": "Standardize"}]}, "/data/preprocess/0", "'b' is text"),
        (
            {"dataset": "ds_kinds", "columns": {"inputs": ["a"]}, "preprocess": [{"type": "Standardize"}]},
            "/data/preprocess/0",
            "Impute comes before Standardize",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_at_submit(
    tmp_path: Path, data: dict[str, Any], pointer: str, words: str
) -> None:
    found = known(tmp_path, TABLES)
    with pytest.raises(SpecError) as caught:
        resolve(validate(changed(IRIS, {"/data": data})), found.facts_of)
    assert caught.value.errors[0]["pointer"] == pointer
    assert words in caught.value.errors[0]["detail"]


def test_numbers_to_predict_may_go_beyond_those_trained_on(tmp_path: Path) -> None:
    found = known(tmp_path, TABLES)
    data = {"dataset": {"train": "ds_classes", "test": "ds_more"}}
    made = prepared(tmp_path, found, data, loss={"type": "MSELoss"}, metrics=[])
    assert_array_equal(made["test.targets"], [[3]])
    with pytest.raises(SpecError, match="is text"):
        prepared(tmp_path, found, {"dataset": "ds_train"}, loss={"type": "MSELoss"}, metrics=[])


@pytest.mark.parametrize(("kind", "expected"), [("OneHot", [[1, 0], [0, 1], [1, 0]]), ("Ordinal", [[0], [1], [0]])])
def test_one_text_alone_may_be_a_category(tmp_path: Path, kind: str, expected: list[list[int]]) -> None:
    data = {"dataset": "ds_kinds", "columns": {"inputs": ["b"]}, "preprocess": [{"type": kind, "columns": ["b"]}]}
    order = torch.randperm(3, generator=torch.Generator().manual_seed(0))
    made = prepared(tmp_path, known(tmp_path, TABLES), data)
    assert_array_equal(made["train.inputs"], torch.tensor(expected)[order])


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"])
def test_whole_numbers_are_divided_by_the_largest_of_their_own_type(tmp_path: Path, dtype: str) -> None:
    x = np.array([[0, 1, 100], [7, 8, 127], [1, 1, 1]], dtype)
    upload = stored(tmp_path, "npz", file=files.npz(x=x, y=np.arange(3)))
    made = prepared(
        tmp_path, Known({"ds_x": {"train": upload}}), {"dataset": "ds_x", "preprocess": [{"type": "ToFloat"}]}
    )
    order = torch.randperm(3, generator=torch.Generator().manual_seed(0)).numpy()
    assert_array_equal(made["train.inputs"], (x[order].astype(np.float64) / np.iinfo(dtype).max).astype(np.float32))


def test_a_missing_text_is_an_empty_one(tmp_path: Path) -> None:
    rows = [{"text": "a b", "label": 0}, {"text": None, "label": 1}, {"label": 1}]
    found = Known({"ds_x": {"train": stored(tmp_path, "jsonl", file=files.lines(*rows))}})
    data = {"dataset": "ds_x", "preprocess": [{"type": "Tokenize", "max_length": 2}]}
    made = prepared(tmp_path, found, data, model={"type": "LSTMClassifier", "embedding_dim": 2, "hidden_size": 2})
    assert sorted(made["train.inputs"].tolist()) == [[1, 0], [1, 0], [2, 3]]
