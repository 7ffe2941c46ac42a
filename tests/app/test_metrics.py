"""Figures for Prometheus, headers, and who may ask from another origin."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.ids import new_id
from app.main import create_app
from app.models import ApiKey, Project
from app.projects.service import key_id
from app.settings import get_settings
from tests.app.conftest import Api

Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def operator(api: Api, session: Session) -> Api:
    """A key for all projects."""
    session.execute(update(ApiKey).where(ApiKey.id == key_id(api.key)).values(projects=None))
    session.commit()
    return api


def read(api: Api) -> Figures:
    reply = api.get("/metrics")
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(reply.text)
    return {(one.name, tuple(sorted(one.labels.items()))): one.value for family in families for one in family.samples}


def test_figures_of_the_whole_service(
    operator: Api,
    make_api: Callable[..., Api],
    run_job: Callable[..., None],
    add_worker: Callable[..., str],
) -> None:
    running = operator.submit()
    run_job(running["id"])
    make_api("two").submit()
    add_worker("cpu", slots=3)
    operator.get(f"/v1/jobs/{running['id']}")
    operator.get(f"/v1/jobs/{running['id']}/epochs?wait=0")
    operator.get("/v1/no/such/path")
    found = read(operator)
    jobs = {labels[0][1]: value for (name, labels), value in found.items() if name == "descent_jobs"}
    assert {status: count for status, count in jobs.items() if count} == {"queued": 1, "running": 1}
    assert len(jobs) == 8
    assert 0 <= found["descent_queue_age_seconds", (("queue", "cpu"),)] < 60
    assert found["descent_workers", (("queue", "cpu"), ("state", "active"))] == 1
    assert found["descent_slots", (("queue", "cpu"), ("state", "active"))] == 3
    assert 0 <= found["descent_feed_lag_seconds", ()] < 60
    counted = {labels: value for (name, labels), value in found.items() if name == "descent_request_seconds_count"}
    shown = {"held": "false", "method": "GET", "route": "/v1/jobs/{job_id}", "status": "200"}
    assert counted[tuple(sorted(shown.items()))] >= 1
    waited = shown | {"held": "true", "route": "/v1/jobs/{job_id}/epochs"}
    assert counted[tuple(sorted(waited.items()))] >= 1
    assert not any(running["id"] in str(labels) or "/no/such" in str(labels) for labels in counted)


def test_an_open_write_shows_as_lag_of_the_feed(operator: Api, session: Session) -> None:
    session.add(Project(id=new_id("prj"), name="held open"))
    session.flush()
    first = read(operator)["descent_feed_lag_seconds", ()]
    assert read(operator)["descent_feed_lag_seconds", ()] > first > 0
    session.rollback()


def test_a_key_of_one_project_learns_nothing_of_the_others(api: Api) -> None:
    assert api.get("/metrics").status_code == 403
    assert api.client.get("/metrics").status_code == 401


def test_every_reply_is_guarded(api: Api, client: TestClient) -> None:
    for reply in (
        api.get("/v1/jobs"),
        client.get("/v1/jobs"),
        api.get("/v1/nothing"),
        client.get("/"),
        client.get("/healthz"),
    ):
        headers = reply.headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cross-origin-resource-policy"] == headers["cross-origin-opener-policy"] == "same-origin"
        assert "strict-transport-security" not in headers
        assert "access-control-allow-origin" not in headers
    secure = TestClient(client.app, base_url="https://testserver")
    assert secure.get("/healthz").headers["strict-transport-security"] == "max-age=31536000"


@pytest.fixture
def elsewhere(api: Api, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr(get_settings(), "cors_origins", "https://a.example, https://b.example")
    return TestClient(create_app())


def test_origins_that_are_listed_may_ask_with_a_key(elsewhere: TestClient, api: Api) -> None:
    ask = {"origin": "https://a.example", "access-control-request-method": "POST"}
    preflight = elsewhere.options("/v1/jobs", headers=ask | {"access-control-request-headers": "authorization"})
    assert (preflight.status_code, preflight.headers["access-control-allow-origin"]) == (200, "https://a.example")
    assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
    bearer = {"authorization": f"Bearer {api.key}"}
    allowed = elsewhere.get("/v1/jobs", headers=bearer | {"origin": "https://b.example"})
    assert allowed.headers["access-control-allow-origin"] == "https://b.example"
    assert "access-control-allow-credentials" not in allowed.headers
    other = elsewhere.get("/v1/jobs", headers=bearer | {"origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers
    assert elsewhere.options("/v1/jobs", headers=ask | {"origin": "https://evil.example"}).status_code == 400


def test_without_a_list_no_other_origin_may(client: TestClient) -> None:
    ask = {"origin": "https://a.example", "access-control-request-method": "GET"}
    reply = client.options("/v1/jobs", headers=ask)
    assert reply.status_code == 401
    assert "access-control-allow-origin" not in reply.headers
