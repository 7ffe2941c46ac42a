"""Sweeps by the real workers: a fair race, a limit on what runs at once, and ASHA's early ends."""

import itertools
import json
import time
from typing import Any

import pytest

from tests.system.conftest import EXAMPLES, Service

pytestmark = pytest.mark.system


def submit(service: Service, document: dict[str, Any]) -> dict[str, Any]:
    answer = service.http.post("/v1/sweeps", json=document)
    assert answer.status_code == 201, answer.text
    sweep: dict[str, Any] = answer.json()
    return sweep


def ended(service: Service, sweep_id: str, seconds: float = 90) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while True:
        sweep: dict[str, Any] = service.http.get(f"/v1/sweeps/{sweep_id}").raise_for_status().json()
        if sweep["status"] != "running":
            return sweep
        assert time.monotonic() < deadline, sweep["counts"]
        time.sleep(0.2)


def example(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((EXAMPLES / name).read_text())
    return document


def test_equal_seeds_have_equal_first_losses_whatever_the_optimizer(service: Service) -> None:
    """Before the first update: the same weights, and the same samples in the first batch."""
    race = example("race-iris-optimizers.json")
    race["over"]["/seed"] = {"range": [0, 2]}
    race["spec"]["training"] |= {"epochs": 2, "log_every_steps": 1}
    sweep = ended(service, submit(service, race)["id"])
    assert sweep["counts"]["succeeded"] == 12
    first: dict[int, set[float]] = {0: set(), 1: set()}
    for point in sweep["points"]:
        steps = service.http.get(f"/v1/jobs/{point['job_id']}/steps").raise_for_status().json()["data"]
        first[point["point"]["/seed"]].add(steps[0]["train_loss"])
    assert [len(losses) for losses in first.values()] == [1, 1]
    assert first[0] != first[1]
    table = service.http.get(f"/v1/sweeps/{sweep['id']}/table?by=/optimizer&over=/seed").raise_for_status().json()
    assert [row["n"] for row in table["rows"]] == [2] * 6
    assert {difference["n"] for difference in table["differences"]} == {2}


def test_max_parallel_holds_and_lets_go(service: Service) -> None:
    document = example("sweep-quadratic-learning-rates.json") | {"max_parallel": 1}
    sweep = ended(service, submit(service, document)["id"])
    assert sweep["counts"]["succeeded"] == 10
    jobs = service.http.get(f"/v1/jobs?sweep_id={sweep['id']}&order=asc").raise_for_status().json()["data"]
    spans = [(job["started_at"], job["finished_at"]) for job in jobs]
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(spans))


def test_asha_stops_points_at_its_rungs(service: Service) -> None:
    """Jobs of half a second: each waits at a rung until it is judged, so that none trains on for nothing."""
    document = example("sweep-iris-learning-rates.json")
    document["spec"]["training"]["epochs"] = 81
    document["over"] = {"/optimizer/lr": {"loguniform": [1e-4, 0.3]}}
    document["search"] = {"type": "asha", "trials": 12, "seed": 0, "min_epochs": 1, "reduction_factor": 3}
    sweep = ended(service, submit(service, document)["id"])
    assert sweep["status"] == "succeeded"
    lengths = {"cancelled": set[int](), "succeeded": set[int]()}
    for point in sweep["points"]:
        epochs = len(service.epochs(point["job_id"]))
        lengths[point["status"]].add(epochs)
        if point["status"] == "cancelled":
            assert point["stopped"] == {"reason": "asha", "epoch": epochs}
    assert lengths["succeeded"] == {81}
    assert lengths["cancelled"] <= {1, 3, 9, 27}
    assert sweep["counts"]["cancelled"] >= 4
