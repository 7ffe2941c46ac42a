"""Specs that name uploads, over HTTP."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.app.conftest import SPEC, Api
from tests.app.datasets import files
from tests.app.datasets.test_endpoints import upload

MORE = files.IRIS.replace(",,", ",1,") + "1,2,setosa\n" * 5


def data(dataset: Any, **more: Any) -> dict[str, Any]:
    return {
        "data": {"dataset": dataset, "split": {"train": 0.5, "validation": 0.5}, **more},
        "training": {"epochs": 1, "batch_size": 2},
    }


@pytest.fixture
def flowers(api: Api) -> dict[str, Any]:
    found: dict[str, Any] = upload(api, MORE, name="flowers", target="species").json()
    return found


def test_the_id_stands_in_the_resolved_spec_and_keeps_the_data(
    api: Api, flowers: dict[str, Any], end_job: Callable[..., None]
) -> None:
    job = api.submit(**data("flowers@latest"))
    assert job["spec"]["data"]["dataset"] == "flowers@latest"
    assert job["resolved_spec"]["data"]["dataset"] == flowers["id"]
    refused = api.request("DELETE", f"/v1/datasets/{flowers['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "dataset_in_use")
    end_job(job["id"])
    assert api.request("DELETE", f"/v1/datasets/{flowers['id']}").status_code == 204


def test_parts_by_name_become_ids(api: Api, flowers: dict[str, Any]) -> None:
    parts = {"dataset": {"train": "flowers@1", "test": "flowers@latest"}, "split": {"train": 1.0}}
    job = api.submit(**{**data(None), "data": parts}, metrics=[])
    resolved = job["resolved_spec"]["data"]["dataset"]
    assert (resolved["train"], resolved["test"]) == (flowers["id"], flowers["id"])
    assert api.request("DELETE", f"/v1/datasets/{flowers['id']}").status_code == 409


@pytest.mark.parametrize(
    ("section", "pointer"),
    [
        (data("flowers@2"), "/data/dataset"),
        (data("nothing@latest"), "/data/dataset"),
        (data("mnist"), "/data/dataset"),
        (data("flowers@1", columns={"inputs": ["colour"]}), "/data/columns/inputs/0"),
        (data("flowers@1", columns={"target": "colour"}), "/data/columns/target"),
    ],
)
def test_what_is_not_there_is_pointed_at(
    api: Api, flowers: dict[str, Any], section: dict[str, Any], pointer: str
) -> None:
    reply = api.post("/v1/jobs", json={**SPEC, **section})
    assert reply.status_code == 422
    assert [error["pointer"] for error in reply.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("file", "name", "steps"),
    [
        (files.lines(*[{"text": "a b"}] * 4), "texts.jsonl", [{"type": "Tokenize", "max_length": 2}]),
        (files.npz(a=np.arange(4.0), b=np.arange(4.0)), "numbers.npz", []),
    ],
)
def test_data_without_a_target_teaches_nothing(api: Api, file: bytes, name: str, steps: list[Any]) -> None:
    assert upload(api, file, name, name="bare").json()["target"] is None
    regression = {"loss": {"type": "MSELoss"}, "metrics": [], **data("bare@latest", preprocess=steps)}
    reply = api.post("/v1/jobs", json={**SPEC, **regression})
    assert reply.status_code == 422
    assert [error["pointer"] for error in reply.json()["errors"]] == ["/data/columns/target"]


def test_another_projects_data_is_422(api: Api, make_api: Callable[..., Api], flowers: dict[str, Any]) -> None:
    other = make_api("two")
    for reference in (flowers["id"], "flowers@1", "flowers@latest"):
        reply = other.post("/v1/jobs", json={**SPEC, **data(reference)})
        assert reply.status_code == 422
        assert reply.json()["errors"][0]["pointer"] == "/data/dataset"
