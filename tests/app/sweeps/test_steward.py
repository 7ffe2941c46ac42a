"""Held points let go as others end, and ASHA's decisions: once each, from what is in Postgres alone."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.jobs.lifecycle import ENDED
from app.models import Job, Sweep, SweepRung
from app.settings import get_settings
from app.sweeps import steward
from app.sweeps.repository import HELD_UNTIL
from tests.app.conftest import Api
from tests.app.sweeps.test_submit import submit

LR = {"/optimizer/lr": {"loguniform": [0.001, 0.1]}}
ASHA = {"type": "asha", "trials": 9, "min_epochs": 1, "reduction_factor": 3}


def available(session: Session, sweep: dict[str, Any]) -> list[str]:
    session.rollback()
    mine = Job.sweep_id == sweep["id"], Job.available_at != HELD_UNTIL, Job.status.not_in(ENDED)
    return list(session.scalars(select(Job.id).where(*mine).order_by(Job.id)))


def ids_of(sweep: dict[str, Any]) -> list[str]:
    return [point["job_id"] for point in sweep["points"]]


def test_a_held_point_goes_when_another_ends(
    api: Api, session: Session, run_job: Callable[..., None], end_job: Callable[..., None]
) -> None:
    sweep = submit(api, max_parallel=2)
    ids = ids_of(sweep)
    steward.advance_and_ring(sweep["id"])
    assert available(session, sweep) == ids[:2]
    run_job(ids[0])
    end_job(ids[0])
    steward.advance_and_ring(sweep["id"])
    steward.advance_and_ring(sweep["id"])
    assert available(session, sweep) == ids[1:3]
    assert api.get(f"/v1/jobs/{ids[2]}").json()["waiting"]["reason"] == "no_worker"
    api.post(f"/v1/jobs/{ids[1]}/pause")  # gives its place to another
    steward.advance_and_ring(sweep["id"])
    assert available(session, sweep) == ids[1:]


def test_a_sweep_is_settled_when_all_have_ended_and_not_when_one_is_taken_up_again(
    api: Api, session: Session, end_job: Callable[..., None]
) -> None:
    sweep = submit(api, max_parallel=1)
    for job_id in ids_of(sweep):
        end_job(job_id, "failed")
    assert steward.unsettled() == [sweep["id"]]
    steward.advance_and_ring(sweep["id"])
    assert steward.unsettled() == []
    assert session.get_one(Sweep, sweep["id"]).settled_at is not None
    assert api.get(f"/v1/sweeps/{sweep['id']}").json()["status"] == "failed"
    api.post(f"/v1/jobs/{ids_of(sweep)[0]}/resume")
    steward.advance_and_ring(sweep["id"])
    assert steward.unsettled() == [sweep["id"]]


def test_asha_stops_what_is_not_among_the_best_third(
    api: Api, session: Session, run_job: Callable[..., None], add_epoch: Callable[..., int]
) -> None:
    sweep = submit(api, over=LR, search=ASHA)  # 4 epochs: rungs at 1 and 3
    ids = ids_of(sweep)
    losses = [0.9, 0.8, 0.85, 0.7, 0.75, 0.95, 0.65, 0.72, float("nan")]
    for job_id, loss in zip(ids, losses, strict=True):
        run_job(job_id)
        add_epoch(job_id, 1, validation_loss=loss)
        steward.advance_and_ring(sweep["id"])
    session.rollback()
    rungs = session.scalars(select(SweepRung).order_by(SweepRung.job_id)).all()
    assert [(rung.place, rung.reached) for rung in rungs] == [
        (1, 1), (1, 2), (2, 3), (1, 4), (2, 5), (6, 6), (1, 7), (3, 8), (9, 9),
    ]  # fmt: skip
    on = [True, True, False, True, False, False, True, False, False]
    assert [rung.goes_on for rung in rungs] == on
    jobs = [session.get_one(Job, job_id) for job_id in ids]
    assert [(job.status, job.request) for job in jobs] == [
        ("running", None) if goes_on else ("cancelling", "cancel") for goes_on in on
    ]
    assert jobs[2].stopped == {"reason": "asha", "epoch": 1}
    event = api.get(f"/v1/jobs/{ids[2]}/events").json()["data"][-1]
    assert event["type"] == "stopped_by_sweep"
    assert event["message"] == (
        "Stopped by the sweep after epoch 1: it is number 2 of the 3 points that have come this far, and 1 may go on."
    )


def test_asha_judges_by_the_best_up_to_the_rung_whenever_it_looks(
    api: Api, session: Session, run_job: Callable[..., None], add_epoch: Callable[..., int]
) -> None:
    """The decisions are those of the rows, in their order: a steward that comes late finds the same."""
    sweep = submit(api, over=LR, search=ASHA | {"trials": 3, "reduction_factor": 2})  # rungs at 1 and 2
    ids = ids_of(sweep)
    for job_id, losses in zip(ids, [(0.5, 0.7, 0.1), (0.4, 0.6), (0.45,)], strict=True):
        run_job(job_id)
        for epoch, loss in enumerate(losses, start=1):
            add_epoch(job_id, epoch, validation_loss=loss)
    steward.advance_and_ring(sweep["id"])
    steward.advance_and_ring(sweep["id"])
    rungs = session.execute(
        select(SweepRung.job_id, SweepRung.epoch, SweepRung.value, SweepRung.goes_on).order_by(SweepRung.decided_at)
    ).all()
    assert sorted(tuple(rung) for rung in rungs) == [
        (ids[0], 1, 0.5, True), (ids[0], 2, 0.5, True),
        (ids[1], 1, 0.4, True), (ids[1], 2, 0.4, True),
        (ids[2], 1, 0.45, False),
    ]  # fmt: skip


def test_a_stopped_point_that_is_taken_up_again_is_not_stopped_twice(
    api: Api, session: Session, add_epoch: Callable[..., int]
) -> None:
    sweep = submit(api, over=LR, search=ASHA | {"trials": 2})
    first, second = ids_of(sweep)
    add_epoch(first, 1, validation_loss=0.1)
    add_epoch(second, 1, validation_loss=0.2)
    steward.advance_and_ring(sweep["id"])
    stopped = api.get(f"/v1/jobs/{second}").json()
    assert (stopped["status"], stopped["stopped"]) == ("cancelled", {"reason": "asha", "epoch": 1})
    assert api.post(f"/v1/jobs/{second}/resume").status_code == 202
    steward.advance_and_ring(sweep["id"])
    assert api.get(f"/v1/jobs/{second}").json()["status"] == "queued"


def test_the_running_steward_hears_of_ends(
    api: Api, session: Session, end_job: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(get_settings()), "sweep_seconds", 3600.0)  # no periodic look comes to its help
    sweep = submit(api, max_parallel=1)
    ids = ids_of(sweep)
    stop = steward.start()
    try:
        time.sleep(0.3)
        end_job(ids[0])
        deadline = time.monotonic() + 60
        while available(session, sweep) != ids[1:2] and time.monotonic() < deadline:
            time.sleep(0.02)
        assert available(session, sweep) == ids[1:2]
    finally:
        stop()
