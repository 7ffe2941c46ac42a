"""Operators take workers out of the work and back; an alert shows where readiness is asked for."""

from collections.abc import Callable

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.models import Installation, Worker
from tests.app.conftest import Api


def test_a_worker_is_cordoned_uncordoned_and_drained(
    make_api: Callable[..., Api], add_worker: Callable[..., str], session: Session
) -> None:
    api = make_api(everywhere=True)
    worker = add_worker()
    path = f"/v1/workers/{worker}"
    answers = [api.post(f"{path}/{command}") for command in ("cordon", "cordon", "uncordon", "drain", "uncordon")]
    assert [answer.status_code for answer in answers] == [202, 200, 202, 202, 409]
    assert [answer.json().get("state") for answer in answers[:4]] == ["cordoned", "cordoned", "active", "draining"]
    assert session.scalar(select(Worker.state).where(Worker.id == worker)) == "draining"
    assert api.post(f"/v1/workers/wrk_{'0' * 26}/cordon").status_code == 404


def test_it_takes_an_admin_of_all_projects(make_api: Callable[..., Api], add_worker: Callable[..., str]) -> None:
    path = f"/v1/workers/{add_worker()}/cordon"
    for caller in (make_api(scopes=("read", "write"), everywhere=True), make_api(scopes=("admin",))):
        assert [caller.post(one).status_code for one in (path, "/v1/queue/pause", "/v1/queue/resume")] == [403] * 3


def test_an_alert_shows_in_readiness(api: Api, session: Session) -> None:
    alert = {"code": "orphans", "detail": "No row names 3 files.", "since": "2026-01-01T00:00:00Z"}
    session.execute(update(Installation).values(alert=alert))
    session.commit()
    assert api.get("/readyz").json()["parts"]["store"] == {"ok": True, "detail": "No row names 3 files."}
