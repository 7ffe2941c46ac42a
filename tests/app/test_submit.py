"""POST /v1/jobs: what is stored, what is refused, and what a repeated request gets."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from app.models import IdempotencyKey, Job
from app.settings import get_settings
from tests.app.conftest import SPEC, Api


def count_jobs(session: Session) -> int:
    session.rollback()
    return session.execute(select(func.count()).select_from(Job)).scalar_one()


def test_a_job_is_stored_as_sent_and_shown_as_the_contract_says(api: Api) -> None:
    job = api.submit()
    assert set(job) == {
        "id", "object", "name", "status", "activity", "spec", "resolved_spec", "spec_sha256", "seed", "metadata",
        "priority", "progress", "latest", "best", "test", "latest_checkpoint", "attempt", "worker", "device",
        "waiting", "stopped", "parent", "sweep_id", "error", "created_at", "queued_at", "started_at", "finished_at",
        "version",
    }  # fmt: skip
    assert job["id"].startswith("job_")
    assert (job["object"], job["status"], job["attempt"], job["seed"]) == ("job", "queued", 0, 0)
    assert list(job["spec"]) == list(SPEC)  # the client's key order
    assert job["spec"] == SPEC
    assert job["resolved_spec"]["optimizer"]["betas"] == [0.9, 0.999]
    assert job["progress"] == {
        "epoch": 0, "epochs": 4, "step": 0, "steps": 20, "phase": 0, "fraction": 0.0, "eta_seconds": None,
    }  # fmt: skip
    assert job["waiting"]["reason"] == "no_worker"
    assert job["created_at"].endswith("Z")
    events = api.get(f"/v1/jobs/{job['id']}/events").json()["data"]
    assert [(event["type"], event["seq"]) for event in events] == [("queued", 1)]


def test_the_doorbell_rings_after_the_commit(api: Api) -> None:
    api.submit()
    url = get_settings().broker_url.replace("redis+socket://", "unix://")
    with redis.Redis.from_url(url) as broker:
        deadline = time.monotonic() + 60
        while not broker.llen("cpu") and time.monotonic() < deadline:
            time.sleep(0.01)
        assert broker.llen("cpu") == 1


def test_without_a_broker_a_job_is_accepted_all_the_same(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_settings(), "broker_url", "redis+socket:///nowhere.sock")
    started = time.monotonic()
    api.submit()
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"optimizer": {"type": "Adam", "lr": -1}}, "/optimizer/lr"),
        ({"optimizer": {"type": "Adamm"}}, "/optimizer/type"),
        ({"surprise": 1}, "/surprise"),
        ({"data": {"dataset": "nowhere"}}, "/data/dataset"),
        ({"metadata": {"k": "v" * 513}}, "/metadata/k"),
        ({"name": "a\0b"}, "/name"),
        ({"training": {"epochs": 10**7, "batch_size": 24}}, "/training/epochs"),
    ],
)
def test_what_is_wrong_is_refused_with_its_pointer(
    api: Api, session: Session, changes: dict[str, Any], pointer: str
) -> None:
    reply = api.post("/v1/jobs", json=SPEC | changes)
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert problem["instance"] == "/v1/jobs"
    assert problem["request_id"] == reply.headers["x-request-id"]
    assert count_jobs(session) == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"NaN", b'"text"', b"\xff", b"[" * 2000])
def test_what_is_no_object_is_refused(api: Api, body: bytes) -> None:
    reply = api.post("/v1/jobs", content=body)
    assert reply.status_code == 422
    assert reply.json()["errors"]


def test_a_deep_body_and_a_huge_one_are_refused(api: Api) -> None:
    deep: Any = 1
    for _ in range(60):
        deep = {"a": deep}
    assert api.post("/v1/jobs", json=SPEC | {"metadata": deep}).status_code == 422
    huge = b'{"name": "' + b"x" * (4 * 2**20) + b'"}'
    assert api.post("/v1/jobs", content=huge).status_code == 413

    def pieces() -> Any:
        for _ in range(6):
            yield b" " * 2**20

    reply = api.post("/v1/jobs", content=pieces())  # chunked: no length is announced
    assert reply.status_code == 413
    assert reply.json()["code"] == "payload_too_large"


def test_the_same_key_and_body_get_the_stored_reply(api: Api, session: Session) -> None:
    headers = {"idempotency-key": "k1"}
    first = api.post("/v1/jobs", json=SPEC, headers=headers)
    second = api.post("/v1/jobs", json=SPEC, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert second.headers["idempotent-replayed"] == "true"
    other = api.post("/v1/jobs", json=SPEC | {"seed": 1}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert count_jobs(session) == 1


def test_a_refused_request_gives_its_key_back(api: Api) -> None:
    headers = {"idempotency-key": "k1"}
    assert api.post("/v1/jobs", json={}, headers=headers).status_code == 422
    assert api.post("/v1/jobs", json=SPEC, headers=headers).status_code == 201


def test_a_key_in_flight_is_a_conflict_and_a_forgotten_one_is_free(api: Api, session: Session) -> None:
    headers = {"idempotency-key": "k1"}
    first = api.post("/v1/jobs", json=SPEC, headers=headers)

    def rewrite(**values: Any) -> None:
        session.execute(update(IdempotencyKey).values(**values))
        session.commit()

    rewrite(status_code=None, response=None)
    assert api.post("/v1/jobs", json=SPEC, headers=headers).status_code == 409
    rewrite(created_at=func.now() - text("interval '2 minutes'"))  # its request died
    assert api.post("/v1/jobs", json=SPEC, headers=headers).json()["id"] != first.json()["id"]
    rewrite(created_at=func.now() - text("interval '8 days'"))
    assert api.post("/v1/jobs", json=SPEC | {"seed": 5}, headers=headers).status_code == 201


def test_a_race_of_equal_requests_makes_one_job(api: Api, session: Session) -> None:
    headers = {"idempotency-key": "race"}
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: api.post("/v1/jobs", json=SPEC, headers=headers), range(8)))
    assert {reply.status_code for reply in replies} <= {201, 409}
    assert len({reply.json()["id"] for reply in replies if reply.status_code == 201}) == 1
    assert count_jobs(session) == 1


@pytest.mark.parametrize("key", ["", "é", "x" * 256])
def test_a_bad_key_is_refused(api: Api, key: str) -> None:
    assert api.post("/v1/jobs", json=SPEC, headers={"idempotency-key": key.encode()}).status_code == 422


def test_a_dry_run_needs_a_previews_worker_and_stores_nothing(api: Api, session: Session) -> None:
    reply = api.post("/v1/jobs?dry_run=true", json=SPEC)
    assert (reply.status_code, reply.json()["code"]) == (503, "unavailable")
    assert "retry-after" in reply.headers
    assert api.post("/v1/jobs?dry_run=true", json=SPEC | {"seed": -1}).status_code == 422
    assert count_jobs(session) == 0


def test_a_previews_worker_that_does_not_answer_does_not_stop_a_submit(
    api: Api, add_worker: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_worker("previews")
    monkeypatch.setattr(get_settings(), "preview_seconds", 0.3)
    api.submit()
    assert api.post("/v1/jobs?dry_run=true", json=SPEC).status_code == 503
