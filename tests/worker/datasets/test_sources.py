"""From an upload over HTTP to the engine's tensor file, in the project of the job."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from safetensors.numpy import load_file

from app.datasets.facts import UnknownDataset
from app.datasets.install import install
from app.datasets.references import Catalog
from app.datasets.stored import Known
from app.jobs.spec import SpecError, resolve, validate
from tests.app.conftest import Api, api, client, make_api
from tests.app.datasets import files
from tests.app.datasets.test_endpoints import upload
from tests.app.datasets.test_install import PIXELS, mnist, quiet
from worker.data import prepare
from worker.datasets.uploaded import sources_of

__all__ = ["api", "client", "make_api"]

SPEC: dict[str, Any] = {
    "model": {"type": "MLP", "hidden": [4]},
    "loss": {"type": "CrossEntropyLoss"},
    "optimizer": {"type": "Adam"},
    "training": {"epochs": 1, "batch_size": 2},
}


def prepared(api: Api, store: Path, data: dict[str, Any], **changes: Any) -> dict[str, np.ndarray]:
    """Submit's resolution by one process, preparation by another, as they come to it."""
    submitted = Catalog(api.project_id)
    resolved = resolve(validate({**SPEC, "data": data, **changes}), submitted.facts_of)
    claimed = json.loads(json.dumps(resolved))
    told = json.loads(json.dumps(Catalog(api.project_id, "descent_worker").as_json(claimed)))  # on to the trainer
    known = Known.from_json(told)
    found = prepare(validate(claimed), store, facts_of=known.facts_of, source_of=sources_of(known, store))
    assert found is not None
    tensors: dict[str, np.ndarray] = load_file(found["file"])
    return tensors


def test_a_table_by_name(api: Api, store: Path) -> None:
    rows = np.arange(20.0).reshape(10, 2) / 7
    text = "a,b,kind\n" + "".join(f"{a!r},{b!r},{'xy'[i % 2]}\n" for i, (a, b) in enumerate(rows.tolist()))
    upload(api, text, target="kind")
    data = {"dataset": "iris@latest", "split": {"train": 0.8, "validation": 0.2, "seed": 3}}
    found = prepared(api, store, data)
    order = torch.randperm(10, generator=torch.Generator().manual_seed(3)).numpy()
    assert_array_equal(found["train.inputs"], rows[order[:8]].astype(np.float32))
    assert_array_equal(found["validation.targets"], order[8:] % 2)


def test_parts_and_columns(api: Api, store: Path) -> None:
    upload(api, "a,b,w,y\n1,2,1,p\n3,4,2,q\n5,6,3,p\n7,8,4,q\n", name="train", target="y")
    upload(api, "a,b,w,y\n7,8,1,q\n9,10,1,q\n", name="held out", target="y")
    data = {
        "dataset": {"train": "train@1", "test": "held out@latest"},
        "columns": {"inputs": ["b", "a"], "weight": "w"},
        "split": {"train": 2, "validation": 2},
    }
    found = prepared(api, store, data)
    assert_array_equal(found["test.inputs"], [[8, 7], [10, 9]])
    assert_array_equal(found["test.targets"], [1, 1])
    order = torch.randperm(4, generator=torch.Generator().manual_seed(0)).numpy()
    assert_array_equal(found["train.weights"], order[:2] + 1)
    number = {"dataset": "train@1", "columns": {"inputs": ["a"], "target": ["b", "w"]}}
    found = prepared(api, store, number, loss={"type": "MSELoss"})
    assert found["train.targets"].shape == (4, 2)


def test_an_installed_set_brings_its_test_part(api: Api, store: Path, tmp_path: Path) -> None:
    (tmp_path / "archives").mkdir()
    install("mnist", str(tmp_path / "archives"), mnist(tmp_path / "archives", n=7), quiet)
    data = {"dataset": "mnist", "split": {"train": 5, "validation": 2}, "preprocess": [{"type": "ToFloat"}]}
    found = prepared(api, store, data)
    assert_array_equal(found["test.inputs"], (PIXELS[5:, None] / 255).astype(np.float32))
    assert found["train.inputs"].shape == (5, 1, 28, 28)


def test_texts(api: Api, store: Path) -> None:
    lines = files.lines(*({"text": f"wort {i}", "label": ["neg", "pos"][i % 2]} for i in range(4)))
    upload(api, lines, "reviews.jsonl", name="reviews")
    tokenize = {"type": "Tokenize", "max_length": 3}
    model = {"type": "Sequential", "layers": [{"type": "EmbeddingBag", "embedding_dim": 2, "mode": "mean"}]}
    found = prepared(api, store, {"dataset": "reviews@1", "preprocess": [tokenize]}, model=model)
    assert found["train.inputs"].shape == (4, 3)
    assert sorted(found["train.targets"]) == [0, 0, 1, 1]


def test_another_projects_data_is_unknown_at_submit_and_at_start(
    api: Api, make_api: Callable[..., Api], store: Path
) -> None:
    made = upload(api, files.IRIS + "1,2,x\n" * 3, target="species").json()
    stranger = make_api("two")
    data = {"dataset": made["id"]}
    with pytest.raises(SpecError) as caught:
        prepared(stranger, store, data)
    assert caught.value.errors[0]["pointer"] == "/data/dataset"
    assert Catalog(stranger.project_id, "descent_worker").as_json({"data": data}) == {}
    with pytest.raises(UnknownDataset, match=made["id"]):
        Known().facts_of(made["id"])


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        ({"dataset": "iris@latest"}, "/data/preprocess"),  # width has missing values
        ({"dataset": "iris@latest", "columns": {"inputs": ["height"]}}, "/data/columns/inputs/0"),
        ({"dataset": "iris@9"}, "/data/dataset"),
        ({"dataset": "mnist"}, "/data/dataset"),
        ({"dataset": {"train": "iris@1", "test": "other@1"}, "columns": {"inputs": ["length"]}}, "/data/dataset/test"),
        ({"dataset": "iris@1", "columns": {"inputs": ["width"], "target": "length"}}, "/data/preprocess"),
    ],
)
def test_what_does_not_fit_has_a_pointer(api: Api, store: Path, data: dict[str, Any], pointer: str) -> None:
    assert upload(api, files.IRIS, target="species").status_code == 201
    with pytest.raises(SpecError) as caught:
        prepared(api, store, data)
    assert caught.value.errors[0]["pointer"] == pointer
