"""GET /v1/sweeps/{id}/table, against numbers worked out by scipy."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from scipy import stats

from tests.app.conftest import Api
from tests.app.sweeps.test_submit import submit

ADAM, SGD = {"type": "Adam", "lr": 0.1}, {"type": "SGD", "lr": 0.1}
LOSSES = {"Adam": [0.20, 0.24, 0.21], "SGD": [0.30, 0.33, 0.36]}


@pytest.fixture
def race(api: Api, end_job: Callable[..., None], add_epoch: Callable[..., int]) -> dict[str, Any]:
    """Two optimizers, three seeds; the second of three epochs, each of half a second, is the best."""
    sweep = submit(api, over={"/optimizer": [ADAM, SGD], "/seed": {"range": [0, 3]}})
    for point in sweep["points"]:
        best = LOSSES[point["point"]["/optimizer"]["type"]][point["point"]["/seed"]]
        for epoch, loss in enumerate([best + 0.1, best, best + 0.05], start=1):
            add_epoch(point["job_id"], epoch, validation_loss=loss)
        end_job(point["job_id"])
    return sweep


def test_rows_and_paired_differences(api: Api, race: dict[str, Any]) -> None:
    found = api.get(f"/v1/sweeps/{race['id']}/table?by=/optimizer&over=/seed").json()
    assert (found["by"], found["over"], found["target"]) == (["/optimizer"], ["/seed"], None)
    assert [row["value"] for row in found["rows"]] == [ADAM, SGD]
    for row, losses in zip(found["rows"], LOSSES.values(), strict=True):
        mean = sum(losses) / 3
        assert (row["points"], row["n"], row["mean"]) == (3, 3, pytest.approx(mean))
        interval = stats.t.interval(0.95, 2, loc=mean, scale=stats.sem(losses))
        assert row["interval"] == pytest.approx(list(interval))
    gaps = [a - b for a, b in zip(*LOSSES.values(), strict=True)]
    interval = stats.t.interval(0.95, 2, loc=sum(gaps) / 3, scale=stats.sem(gaps))
    [difference] = found["differences"]
    assert (difference["a"], difference["b"], difference["n"]) == (ADAM, SGD, 3)
    assert difference["mean"] == pytest.approx(sum(gaps) / 3)
    assert difference["interval"] == pytest.approx(list(interval))
    assert found["rows"][0]["difference_to_best"] is None
    assert found["rows"][1]["difference_to_best"]["mean"] == pytest.approx(-sum(gaps) / 3)
    assert api.get(f"/v1/sweeps/{race['id']}/table").json() == found  # what is left out is the seed and the rest


def test_epochs_and_seconds_to_the_target(api: Api, race: dict[str, Any]) -> None:
    rows = api.get(f"/v1/sweeps/{race['id']}/table?by=/optimizer&target=0.32").json()["rows"]
    assert [row["target"]["reached"] for row in rows] == [3, 1]
    assert rows[0]["target"]["epochs"]["mean"] == pytest.approx((1 + 2 + 1) / 3)
    assert rows[1]["target"]["epochs"] == {"n": 1, "mean": 2.0, "deviation": None, "interval": None}
    assert rows[1]["target"]["seconds"]["mean"] == 1.0


def test_by_a_place_inside_of_what_was_swept(api: Api, race: dict[str, Any]) -> None:
    found = api.get(f"/v1/sweeps/{race['id']}/table?by=/optimizer/type").json()
    assert [row["value"] for row in found["rows"]] == ["Adam", "SGD"]
    assert found["differences"][0]["n"] == 3
    seeds = api.get(f"/v1/sweeps/{race['id']}/table?by=/seed").json()
    assert [(row["value"], row["n"]) for row in seeds["rows"]] == [(0, 2), (1, 2), (2, 2)]
    both = api.get(f"/v1/sweeps/{race['id']}/table?by=/optimizer/type&by=/seed").json()
    assert both["rows"][5]["value"] == {"/optimizer/type": "SGD", "/seed": 2}


def test_as_csv(api: Api, race: dict[str, Any]) -> None:
    reply = api.get(f"/v1/sweeps/{race['id']}/table?by=/optimizer/type&target=0.32&format=csv")
    assert reply.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert [row["value"] for row in rows] == ["Adam", "SGD"]
    assert float(rows[0]["mean"]) == pytest.approx(0.65 / 3)
    assert rows[1]["target.reached"] == "1"
    assert float(rows[1]["interval.0"]) < 0.33 < float(rows[1]["interval.1"])


@pytest.mark.parametrize("query", ["by=/nowhere", "over=/nowhere", "by=seed"])
def test_a_place_that_no_point_has_is_refused(api: Api, race: dict[str, Any], query: str) -> None:
    reply = api.get(f"/v1/sweeps/{race['id']}/table?{query}")
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, f"/query/{query.split('=')[0]}")


def test_a_sweep_that_has_not_begun_has_an_empty_table(api: Api) -> None:
    sweep = submit(api)
    found = api.get(f"/v1/sweeps/{sweep['id']}/table?target=1").json()
    assert [(row["value"], row["n"], row["mean"]) for row in found["rows"]] == [(0.1, 0, None), (0.01, 0, None)]
