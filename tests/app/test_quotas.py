"""Quotas, at the submit, at the upload and at the claim."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from app.database import session_scope
from app.errors import TooManyRequests
from app.ids import new_id
from app.jobs import leases
from app.models import Attempt, Project
from app.projects import quotas
from app.projects.quotas import check_submit
from tests.app.conftest import SPEC, Api
from tests.app.weights.files import safetensors


def limit(session: Session, project_id: str, **values: int) -> None:
    session.execute(update(Project).where(Project.id == project_id).values(quotas=values))
    session.commit()


def claim() -> str | None:
    with session_scope("descent_worker") as session:
        found = leases.claim(
            session, queue="cpu", labels=[], worker_id=new_id("wrk"), host="h", device="cpu", lease_seconds=60
        )
        return None if found is None else found.lease.job_id


def test_a_project_runs_no_more_jobs_than_it_may(
    api: Api,
    make_api: Callable[..., Api],
    session: Session,
    add_worker: Callable[..., str],
    end_job: Callable[..., None],
) -> None:
    add_worker()
    other = make_api("two")
    mine = [api.submit()["id"] for _ in range(3)]
    limit(session, api.project_id, running_jobs=1)
    theirs = other.submit()["id"]
    assert [claim(), claim(), claim()] == [mine[0], theirs, None]
    waiting = api.get(f"/v1/jobs/{mine[1]}").json()["waiting"]
    assert (waiting["reason"], waiting["detail"]) == ("quota", "The project runs 1 job at a time, and does.")
    assert api.get("/v1/me").json()["quotas"]["running_jobs"] == {"limit": 1, "used": 1}
    session.execute(
        text("UPDATE job SET status = 'succeeded', lease_until = NULL, worker_id = NULL WHERE id = :id"),
        {"id": mine[0]},
    )
    session.commit()
    assert [claim(), claim()] == [mine[1], None]


def test_claims_at_the_same_time_stay_within_the_quota(api: Api, session: Session) -> None:
    for _ in range(8):
        api.submit()
    limit(session, api.project_id, running_jobs=3)
    with ThreadPoolExecutor(8) as pool:
        claimed = [job for job in pool.map(lambda _: claim(), range(8)) if job is not None]
    assert len(set(claimed)) == len(claimed) == 3


def test_device_seconds_of_a_day_are_honoured_at_the_claim(api: Api, session: Session) -> None:
    job = api.submit()["id"]
    limit(session, api.project_id, device_seconds_per_day=100)
    row = {"job_id": job, "project_id": api.project_id, "worker_id": "w", "host": "h", "device": "cpu"}
    long_ago = {"started_at": text("today() - interval '2 hours'"), "ended_at": text("today() - interval '1 hour'")}
    session.add(Attempt(attempt=101, **row, **long_ago))
    session.commit()
    assert quotas.device_seconds_today(session, api.project_id) == 0
    session.add(
        Attempt(
            attempt=102,
            **row,
            started_at=text("today() - interval '1 hour'"),
            ended_at=text("today() + interval '99 s'"),
        )
    )
    session.commit()
    assert quotas.device_seconds_today(session, api.project_id) == 99
    session.execute(text("UPDATE attempt SET ended_at = today() + interval '100 s' WHERE attempt = 102"))
    session.commit()
    assert claim() is None
    shown = api.get(f"/v1/jobs/{job}").json()["waiting"]
    assert shown["reason"] == "quota"
    assert shown["detail"].startswith("The project has used its 100 device seconds of today")
    limit(session, api.project_id, device_seconds_per_day=101)
    assert claim() == job


def test_a_large_model_and_a_long_series_are_over_quota(api: Api, session: Session) -> None:
    limit(session, api.project_id, parameters=100, step_rows=10)
    check_submit(session, api.project_id, 1, 1, parameters=100, step_rows=10)
    for size in ({"parameters": 101}, {"step_rows": 11}):
        with pytest.raises(TooManyRequests):
            check_submit(session, api.project_id, 1, 1, **size)
    training = {"epochs": 4, "batch_size": 24, "log_every_steps": 1}
    reply = api.post("/v1/jobs", json=SPEC | {"training": training})
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "3600")
    assert "at most 10 step rows; this one has 20" in reply.json()["detail"]
    assert api.post("/v1/jobs", json=SPEC | {"training": training | {"log_every_steps": 2}}).status_code == 201


def test_uploads_fill_their_quota(api: Api, session: Session) -> None:
    limit(session, api.project_id, dataset_bytes=30)
    content = b"a,b\n1,0\n2,1\n3,0\n"
    form = {"files": {"file": ("x.csv", content)}, "data": {"name": "x", "target": "b"}}
    assert api.post("/v1/datasets", **form).status_code == 201
    refused = api.post("/v1/datasets", **form)
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    assert api.get("/v1/me").json()["quotas"]["dataset_bytes"] == {"limit": 30, "used": len(content)}


def test_uploaded_weights_count_as_storage(api: Api, session: Session) -> None:
    content = safetensors({"w": [4]})
    limit(session, api.project_id, storage_bytes=2 * len(content) - 1)
    form = {"files": {"file": ("x.safetensors", content)}}
    assert api.post("/v1/weights", **form).status_code == 201
    assert api.get("/v1/me").json()["quotas"]["storage_bytes"]["used"] == len(content)
    refused = api.post("/v1/weights", **form)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3600")
    assert "this upload has" in refused.json()["detail"]
    assert api.get("/v1/usage").json()["data"][0]["weights_bytes"] == len(content)


def test_whoever_is_over_quota_is_told_when_to_ask_again() -> None:
    assert TooManyRequests("Too much.").retry_after is not None


def test_the_job_knows_whose_key_it_came_by(api: Api, session: Session) -> None:
    job = api.submit()["id"]
    key = api.get("/v1/me").json()["id"]
    assert session.scalar(text("SELECT key_id FROM job WHERE id = :id"), {"id": job}) == key
