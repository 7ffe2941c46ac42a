"""POST /v1/sweeps: what is stored, what is refused, and what the sweep shows."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.models import Event, Job, Sweep
from app.sweeps.repository import HELD_UNTIL
from tests.app.conftest import SPEC, Api

EXAMPLES = Path(__file__).parents[3] / "examples"
OVER = {"/optimizer/lr": [0.1, 0.01], "/seed": {"range": [0, 2]}}
NEW: dict[str, Any] = {"spec": SPEC, "over": OVER}


def count(session: Session, model: type[Any]) -> int:
    session.rollback()
    return session.execute(select(func.count()).select_from(model)).scalar_one()


def submit(api: Api, **changes: Any) -> dict[str, Any]:
    reply = api.post("/v1/sweeps", json=NEW | changes)
    assert reply.status_code == 201, reply.text
    sweep: dict[str, Any] = reply.json()
    return sweep


def test_a_sweep_is_stored_with_its_jobs_and_shown_as_the_contract_says(api: Api) -> None:
    sweep = submit(api)
    assert sweep["id"].startswith("swp_")
    assert (sweep["object"], sweep["status"], sweep["best"]) == ("sweep", "running", None)
    assert sweep["counts"]["points"] == sweep["counts"]["queued"] == 4
    assert sweep["objective"] == {"monitor": "validation_loss", "mode": "min"}
    assert [point["point"] for point in sweep["points"]] == [
        {"/optimizer/lr": lr, "/seed": seed} for lr in (0.1, 0.01) for seed in (0, 1)
    ]
    assert api.get(f"/v1/sweeps/{sweep['id']}").json() == sweep
    jobs = api.get(f"/v1/jobs?sweep_id={sweep['id']}&view=full&order=asc").json()["data"]
    assert [job["id"] for job in jobs] == [point["job_id"] for point in sweep["points"]]
    assert [(job["spec"]["optimizer"]["lr"], job["seed"]) for job in jobs] == [(0.1, 0), (0.1, 1), (0.01, 0), (0.01, 1)]
    assert jobs[3]["spec"] == SPEC | {"optimizer": {"type": "Adam", "lr": 0.01}, "seed": 1}
    assert {job["sweep_id"] for job in jobs} == {sweep["id"]}
    events = api.get(f"/v1/jobs/{jobs[0]['id']}/events").json()["data"]
    assert [(event["type"], event["seq"]) for event in events] == [("queued", 1)]
    listed = api.get("/v1/sweeps").json()["data"]
    assert listed == [{key: value for key, value in sweep.items() if key not in ("spec", "over", "points")}]


def test_equal_seeds_differ_in_the_optimizer_alone(api: Api) -> None:
    """So the points of a race start from the same weights and visit the samples in the same order."""
    race = json.loads((EXAMPLES / "race-iris-optimizers.json").read_text())
    sweep = api.post("/v1/sweeps", json=race).json()
    assert len(sweep["points"]) == 60
    jobs = api.get(f"/v1/jobs?sweep_id={sweep['id']}&view=full&limit=200").json()["data"]
    rest = {
        json.dumps({key: value for key, value in job["resolved_spec"].items() if key not in ("optimizer", "seed")})
        for job in jobs
    }
    assert len(rest) == 1
    types = {seed: {job["spec"]["optimizer"]["type"] for job in jobs if job["seed"] == seed} for seed in range(10)}
    assert all(found == {"Adam", "SGD", "RMSprop", "Adagrad", "NAdam", "AdamW"} for found in types.values())


def test_a_dry_run_counts_and_stores_nothing(api: Api, session: Session) -> None:
    reply = api.post("/v1/sweeps?dry_run=true", json=NEW)
    assert reply.status_code == 200
    assert reply.json()["count"] == 4
    assert reply.json()["points"][3] == {"/optimizer/lr": 0.01, "/seed": 1}
    assert count(session, Job) == count(session, Sweep) == 0


@pytest.mark.parametrize(
    ("changes", "pointer", "detail"),
    [
        ({"over": {"/optimiser/lr": [1]}}, "/over/~1optimiser~1lr", "there is no /optimiser in the spec (point 0"),
        ({"over": {"/data/dataset/x": [1]}}, "/over/~1data~1dataset~1x", "there is nothing below it"),
        ({"over": {"/model/hidden/1": [8]}}, "/over/~1model~1hidden~11", "has 1 elements"),
        (
            {"over": {"/seed": [0], "/optimizer/lr": [0.1, -1]}},
            "/over/~1optimizer~1lr",
            "(point 1: /seed = 0, /optimizer/lr = -1)",
        ),
        ({"over": {"/optimizer/lrr": [1]}}, "/over/~1optimizer~1lrr", "unknown key"),
        ({"spec": SPEC | {"surprise": 1}}, "/spec/surprise", "unknown key"),
        ({"spec": 1}, "/spec", ""),
        ({"over": {}}, "/over", ""),
        ({"search": "best"}, "/search", "must be one of grid, random, asha"),
        ({"search": {"type": "random"}}, "/search/trials", "required"),
        ({"search": {"type": "asha", "trials": 0}}, "/search/trials", "greater than or equal to 1"),
        ({"objective": {"monitor": "validation_f1"}}, "/objective/monitor", "no row of this job has 'validation_f1'"),
        ({"objective": {"mode": "most"}}, "/objective/mode", ""),
        ({"max_parallel": 0}, "/max_parallel", ""),
        ({"surprise": 1}, "/surprise", ""),
    ],
)
def test_what_is_wrong_is_refused_with_its_pointer(
    api: Api, session: Session, changes: dict[str, Any], pointer: str, detail: str
) -> None:
    reply = api.post("/v1/sweeps", json=NEW | changes)
    assert reply.status_code == 422
    errors = reply.json()["errors"]
    assert [error["pointer"] for error in errors] == [pointer]
    assert detail in errors[0]["detail"]
    assert count(session, Job) == count(session, Sweep) == 0


def test_whole_objects_and_places_inside_them(api: Api) -> None:
    sweep = submit(
        api,
        over={"/optimizer": [{"type": "SGD"}, {"type": "Adam"}], "/optimizer/lr": [0.1, 0.2], "/training/l1": [0.5]},
        zip=[],
    )
    jobs = api.get(f"/v1/jobs?sweep_id={sweep['id']}&view=full&order=asc").json()["data"]
    assert [tuple(job["spec"]["optimizer"].values()) for job in jobs] == [
        ("SGD", 0.1), ("SGD", 0.2), ("Adam", 0.1), ("Adam", 0.2),
    ]  # fmt: skip
    assert {job["resolved_spec"]["training"]["l1"] for job in jobs} == {0.5}


def test_a_repeated_request_makes_one_sweep(api: Api, session: Session) -> None:
    headers = {"idempotency-key": "k"}
    first = api.post("/v1/sweeps", json=NEW, headers=headers)
    second = api.post("/v1/sweeps", json=NEW, headers=headers)
    assert second.json() == first.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert api.post("/v1/sweeps", json=NEW | {"max_parallel": 1}, headers=headers).status_code == 422
    assert count(session, Sweep) == 1


def test_what_goes_beyond_max_parallel_is_held(api: Api, session: Session) -> None:
    sweep = submit(api, max_parallel=3)
    held = session.scalars(select(Job.id).where(Job.available_at == HELD_UNTIL)).all()
    assert held == [sweep["points"][3]["job_id"]]
    waiting = api.get(f"/v1/jobs/{held[0]}").json()["waiting"]
    assert (waiting["reason"], waiting["detail"]) == ("quota", "The sweep runs at most 3 of its points at a time.")


def test_a_cancel_ends_every_point(api: Api, session: Session, run_job: Callable[..., None]) -> None:
    sweep = submit(api)
    ids = [point["job_id"] for point in sweep["points"]]
    run_job(ids[0])
    reply = api.post(f"/v1/sweeps/{sweep['id']}/cancel")
    assert reply.status_code == 202
    assert [point["status"] for point in reply.json()["points"]] == ["cancelling", *["cancelled"] * 3]
    assert reply.json()["status"] == "running"
    assert session.get_one(Job, ids[0]).request == "cancel"
    assert api.post(f"/v1/sweeps/{sweep['id']}/cancel").status_code == 200
    assert [event["type"] for event in api.get(f"/v1/jobs/{ids[1]}/events").json()["data"]] == ["queued", "cancelled"]
    assert count(session, Event) == 4 + 1 + 4


def test_status_and_best_follow_the_points(
    api: Api, end_job: Callable[..., None], add_epoch: Callable[..., int]
) -> None:
    sweep = submit(api)
    path = f"/v1/sweeps/{sweep['id']}"
    ids = [point["job_id"] for point in sweep["points"]]
    for number, losses in enumerate([[0.5, 0.4], [0.3, 0.6], [0.1, float("nan")], [float("inf")]]):
        for epoch, loss in enumerate(losses, start=1):
            add_epoch(ids[number], epoch, validation_loss=loss)
    for job_id, status in zip(ids, ["succeeded", "succeeded", "failed", "cancelled"], strict=True):
        end_job(job_id, status)
    found = api.get(path).json()
    assert found["status"] == "succeeded"
    assert [point["best"] for point in found["points"]] == [
        {"value": 0.4, "epoch": 2}, {"value": 0.3, "epoch": 1}, {"value": 0.1, "epoch": 1}, None,
    ]  # fmt: skip
    assert found["best"] == {"job_id": ids[1], "point": {"/optimizer/lr": 0.1, "/seed": 1}, "value": 0.3, "epoch": 1}
    assert api.post(f"{path}/cancel").status_code == 409


def test_another_projects_sweep_is_unknown(api: Api, make_api: Callable[..., Api]) -> None:
    sweep = submit(api)
    other = make_api("two")
    path = f"/v1/sweeps/{sweep['id']}"
    assert other.get("/v1/sweeps").json()["data"] == []
    for reply in (other.get(path), other.get(f"{path}/table"), other.post(f"{path}/cancel")):
        assert reply.status_code == 404
    assert make_api("one", ("read",)).post("/v1/sweeps", json=NEW).status_code == 403


@pytest.mark.slow
def test_ten_thousand_points_take_seconds(api: Api, session: Session) -> None:
    over = {"/optimizer/lr": {"logspace": [-4, -1, 1000]}, "/seed": {"range": [0, 10]}}
    started = time.monotonic()
    sweep = submit(api, over=over, max_parallel=100)
    seconds = {"submit": time.monotonic() - started}
    for verb, path in (("GET", ""), ("GET", "/table"), ("POST", "/cancel")):
        started = time.monotonic()
        assert api.request(verb, f"/v1/sweeps/{sweep['id']}{path}").is_success
        seconds[path] = time.monotonic() - started
    assert count(session, Job) == 10_000
    assert max(seconds.values()) < 30, seconds
