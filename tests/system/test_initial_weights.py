"""Training that starts from other weights, through the whole service, beside plain torch that loads the same ones."""

import copy
from typing import Any

import pytest
from safetensors.torch import load, save
from torch import Tensor, nn

from tests import oracle
from tests.system.conftest import Service

pytestmark = pytest.mark.system

IRIS: dict[str, Any] = {
    "data": {"dataset": "iris", "split": {"train": 120, "validation": 30}},
    "model": {"type": "MLP", "hidden": [16]},
    "loss": {"type": "CrossEntropyLoss"},
    "optimizer": {"type": "Adam", "lr": 0.02},
    "training": {"epochs": 2, "batch_size": 24},
}


@pytest.fixture(scope="module")
def source(service: Service) -> dict[str, Any]:
    job = service.ended(service.submit(IRIS)["id"])
    assert job["status"] == "succeeded", job["error"]
    return job


def rows_from(spec: dict[str, Any], weights: dict[str, Tensor]) -> list[dict[str, Any]]:
    """What plain torch makes of a resolved spec when it loads these weights before it begins."""
    plain = copy.deepcopy(spec)
    plain["model"]["initialization"] = []
    built = oracle.initialize
    oracle.initialize = lambda model, rules: load_some(model, weights)
    try:
        return oracle.train(plain)[0]
    finally:
        oracle.initialize = built


def load_some(model: nn.Module, weights: dict[str, Tensor]) -> None:
    model.load_state_dict({**model.state_dict(), **weights})


@pytest.mark.parametrize("checkpoint", ["latest", "best"])
def test_a_job_starts_from_another_jobs_checkpoint(service: Service, source: dict[str, Any], checkpoint: str) -> None:
    named = {"job": source["id"], "checkpoint": checkpoint}
    spec = IRIS | {"seed": 1, "model": {**IRIS["model"], "initial_weights": named}}
    job = service.ended(service.submit(spec)["id"])
    assert job["status"] == "succeeded", job["error"]
    taken = job["resolved_spec"]["model"]["initial_weights"]["checkpoint"]
    assert taken == (source["latest_checkpoint"] if checkpoint == "latest" else source["best"]["checkpoint"])
    file = service.http.get(f"/v1/jobs/{source['id']}/checkpoints/{taken}/weights").raise_for_status().content
    expected = rows_from(job["resolved_spec"], load(file))
    for row, plain in zip(service.epochs(job["id"]), expected, strict=True):
        assert (row["train_loss"], row["validation_loss"]) == (plain["train_loss"], plain["validation_loss"])


def test_a_part_of_an_upload_is_loaded_under_new_names(service: Service, source: dict[str, Any]) -> None:
    weights = load(service.weights(source["id"]))
    content = save({f"body.{name}": tensor for name, tensor in weights.items()})
    upload = service.http.post("/v1/weights", files={"file": ("w.safetensors", content)}).raise_for_status().json()
    named = {"upload": upload["id"], "params": "1\\..*", "rename": [["body\\.(.*)", "\\1"]]}
    spec = IRIS | {"seed": 2, "model": {**IRIS["model"], "initial_weights": named}}
    tried = service.http.post("/v1/jobs", params={"dry_run": True}, json=spec).raise_for_status().json()
    assert tried["initial_weights"] == {
        "loaded": {"1.weight": "body.1.weight", "1.bias": "body.1.bias"},
        "missing": [],
        "unexpected": [],
        "different_shape": [],
    }
    job = service.ended(service.submit(spec)["id"])
    assert job["status"] == "succeeded", job["error"]
    some = {name: tensor for name, tensor in weights.items() if name.startswith("1.")}
    expected = rows_from(job["resolved_spec"], some)
    assert [row["train_loss"] for row in service.epochs(job["id"])] == [row["train_loss"] for row in expected]


def test_weights_that_do_not_fit_are_refused_at_submit(service: Service, source: dict[str, Any]) -> None:
    model = {"type": "MLP", "hidden": [8], "initial_weights": {"job": source["id"]}}
    refused = service.http.post("/v1/jobs", json=IRIS | {"model": model})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/model/initial_weights"
    assert "different shape: 1.weight" in refused.json()["errors"][0]["detail"]


def test_a_tied_model_starts_from_its_own_kind(service: Service) -> None:
    spec = {
        "data": {"dataset": {"type": "synthetic", "task": "tokens", "samples": 8, "shape": [6], "classes": 5}},
        "model": {"type": "GPT", "n_layer": 1, "n_head": 2, "n_embd": 8},
        "loss": {"type": "CrossEntropyLoss"},
        "optimizer": {"type": "SGD", "lr": 0.0},
        "training": {"epochs": 1, "batch_size": 8},
    }
    first = service.ended(service.submit(spec)["id"])
    again = spec | {"seed": 3, "model": {**spec["model"], "initial_weights": {"job": first["id"]}}}
    second = service.ended(service.submit(again)["id"])
    assert second["status"] == "succeeded", second["error"]
    losses = [service.epochs(job["id"])[0]["train_loss"] for job in (first, second)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)  # another order of the same samples
