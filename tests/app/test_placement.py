"""Where a job trains that leaves its device open, and for whom one waits that wants several GPUs."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from app.jobs.placement import EPOCH_FLOPS, PARAMETERS, pays_on_cuda
from app.jobs.spec.plan import Counts, Plan
from app.jobs.workers import SERVES_SECONDS
from tests.app.conftest import SPEC, Api
from tests.app.test_previews import worker

__all__ = ["worker"]

LARGE = SPEC | {"model": {"type": "MLP", "hidden": [4000, 4000]}}
SMALL = SPEC | {"optimizer": {"type": "Adam"}}


@pytest.mark.parametrize(
    ("samples", "flops", "parameters", "pays"),
    [
        (60_000, 5e6, 20_000, True),
        (120, 704, 131, False),
        (1, 0, PARAMETERS, True),
        (100, EPOCH_FLOPS / 301, 0, False),
        (100, EPOCH_FLOPS / 300, 0, True),
    ],
)
def test_it_pays_from_so_many_operations_or_parameters_on(
    samples: int, flops: float, parameters: int, pays: bool
) -> None:
    work = Plan(None, Counts(samples), 1, 1, 1)
    assert pays_on_cuda(work, {"flops_per_sample": flops, "parameters": parameters}) is pays


def shown(api: Api, spec: dict[str, Any]) -> tuple[str, Any]:
    """Device and `foreach` of the dry run and of the job, which are the same."""
    found = []
    for query in ("?dry_run=true", ""):
        reply = api.post(f"/v1/jobs{query}", json=spec)
        assert reply.status_code in (200, 201), reply.text
        resolved = reply.json()["resolved_spec"]
        found.append((resolved["resources"]["device"], resolved["optimizer"]["foreach"]))
    assert found[0] == found[1]
    return found[0]


@pytest.mark.system
def test_auto_is_cuda_where_it_is_offered_and_pays(api: Api, worker: None, add_worker: Callable[..., str]) -> None:
    large = LARGE | {"optimizer": {"type": "Adam"}}
    assert shown(api, large) == ("cpu", False)
    add_worker("cuda", labels=["a100"])
    time.sleep(SERVES_SECONDS)
    assert shown(api, large) == ("cuda", True)
    assert shown(api, SMALL) == ("cpu", False)
    assert shown(api, SMALL | {"resources": {"device": "cuda"}}) == ("cuda", True)
    assert shown(api, large | {"resources": {"device": "cpu"}}) == ("cpu", False)
    assert shown(api, large | {"resources": {"labels": ["h200"]}}) == ("cpu", False)
    assert shown(api, large | {"resources": {"labels": ["a100"]}}) == ("cuda", True)
    captured = {"type": "RAdam", "capturable": True}  # for CUDA alone
    assert shown(api, SMALL | {"optimizer": captured})[0] == "cuda"
    sweep = {
        "spec": large,
        "over": {"/seed": [1, 2], "/model/hidden": [[8], [4000, 4000]]},
        "objective": {"monitor": "train_loss", "mode": "min"},
    }
    points = api.post("/v1/sweeps", json=sweep).json()["points"]
    devices = {
        tuple(point["point"]["/model/hidden"]): api.get(f"/v1/jobs/{point['job_id']}").json()["resolved_spec"]
        for point in points
    }
    assert {hidden: found["resources"]["device"] for hidden, found in devices.items()} == {
        (8,): "cpu",
        (4000, 4000): "cuda",
    }


@pytest.mark.system
def test_what_exact_cannot_train_on_cuda_stays_on_the_cpu(
    api: Api, worker: None, add_worker: Callable[..., str]
) -> None:
    add_worker("cuda")
    layers = [
        {"type": "Unflatten", "dim": 1, "unflattened_size": [1, 2, 2]},
        {"type": "ReflectionPad2d", "padding": 1},
        {"type": "Flatten"},
        {"type": "Linear", "out_features": PARAMETERS // 16},
        {"type": "Linear"},
    ]
    spec = SMALL | {"model": {"type": "Sequential", "layers": layers}}
    assert shown(api, spec)[0] == "cpu"
    assert shown(api, spec | {"training": SPEC["training"] | {"reproducibility": "fast"}})[0] == "cuda"
    refused = api.post("/v1/jobs", json=spec | {"resources": {"device": "cuda"}})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/model/layers/1")


def test_a_job_over_several_gpus_waits_for_a_slot_that_has_them(api: Api, add_worker: Callable[..., str]) -> None:
    add_worker("cuda")
    job = api.submit(resources={"gpus": 2})
    assert job["resolved_spec"]["resources"] | {"device": "cuda", "gpus": 2} == job["resolved_spec"]["resources"]
    assert api.get(f"/v1/jobs/{job['id']}").json()["waiting"]["reason"] == "no_worker"
    add_worker("cuda-2")
    waiting = api.get(f"/v1/jobs/{job['id']}").json()["waiting"]
    assert (waiting["reason"], waiting["position"]) == ("capacity", 1)
    assert "'cuda-2', which has 2 slots" in waiting["detail"]
    queued = {row["queue"]: row["queued"] for row in api.get("/v1/queue").json()["data"]}
    assert queued == {"cuda": 0, "cuda-2": 1}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"resources": {"device": "cpu", "gpus": 9}}, "/resources/gpus"),
        ({"resources": {"gpus": 0}}, "/resources/gpus"),
        ({"resources": {"gpus": 4}, "training": SPEC["training"] | {"batch_size": 3}}, "/training/batch_size"),
        (
            {"resources": {"gpus": 2}, "model": {"type": "Function", "expression": "x ** 2", "initial": {"x": 1.0}}},
            "/resources/gpus",
        ),
    ],
)
def test_what_cannot_be_divided_is_refused(api: Api, change: dict[str, Any], pointer: str) -> None:
    document = SPEC | change
    if "expression" in document["model"]:
        document = {**document, "data": None, "loss": None, "metrics": [], "training": {"epochs": 2}}
    refused = api.post("/v1/jobs", json=document)
    assert refused.status_code == 422
    assert pointer in [error["pointer"] for error in refused.json()["errors"]]
