"""Health, readiness, the caller, workers and queues."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, text

from app.settings import get_settings
from tests.app.conftest import Api


def test_the_process_answers_without_a_key(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/openapi.json").json()["openapi"].startswith("3.1")


def test_it_is_ready_with_a_worker_of_each_kind(client: TestClient, add_worker: Callable[..., str]) -> None:
    reply = client.get("/readyz")
    assert reply.status_code == 503
    parts = {name: part["ok"] for name, part in reply.json()["parts"].items()}
    assert parts == {"database": True, "broker": True, "migrations": True, "training": False, "previews": False}
    add_worker("cpu")
    add_worker("previews", heartbeat_at=func.now() - text("interval '1 minute'"))
    assert client.get("/readyz").status_code == 503
    add_worker("previews")
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")


def test_without_a_broker_it_is_not_ready(
    client: TestClient, add_worker: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(get_settings(), "broker_url", "redis+socket:///nowhere.sock")
    parts = client.get("/readyz").json()["parts"]
    assert not parts["broker"]["ok"]
    assert "away" in parts["broker"]["detail"]


def test_me(api: Api) -> None:
    me = api.get("/v1/me").json()
    assert me["scopes"] == ["admin", "read", "write"]
    assert me["projects"] == [{"id": api.project_id, "name": "one"}]
    assert me["default_project"] == api.project_id


def test_workers_and_queues(make_api: Callable[..., Api], add_worker: Callable[..., str]) -> None:
    mine, theirs = make_api("one"), make_api("two")
    mine.submit()
    theirs.submit()
    queue = mine.get("/v1/queue").json()["data"]
    assert [(q["queue"], q["queued"], q["running"], q["slots"], q["reason"]) for q in queue] == [
        ("cpu", 2, 0, 0, "no_worker")
    ]
    worker = add_worker("cpu")
    assert mine.get("/v1/queue").json()["data"][0]["slots"] == 2
    listed = mine.get("/v1/workers").json()["data"]
    assert [(w["id"], w["queue"], w["state"], w["jobs"]) for w in listed] == [(worker, "cpu", "active", [])]
    assert mine.submit()["waiting"]["position"] == 3  # the other project's job stands in the queue too


def test_the_catalog_names_every_optimizer_with_its_schema(api: Api) -> None:
    reply = api.get("/v1/catalog")
    found = {entry["type"]: entry["schema"] for entry in reply.json()["optimizers"]}
    assert found["Adam"]["properties"]["lr"]["minimum"] == 0
    assert {"SGD", "LBFGS", "Muon", "SparseAdam"} <= set(found)
    assert api.get("/v1/catalog", headers={"if-none-match": reply.headers["etag"]}).status_code == 304


def test_every_reference_in_the_openapi_document_leads_somewhere(client: TestClient) -> None:
    document = client.get("/openapi.json").json()

    def references(value: object) -> list[str]:
        if isinstance(value, list):
            return [ref for child in value for ref in references(child)]
        if not isinstance(value, dict):
            return []
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [ref for child in value.values() for ref in references(child)]

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known
    assert {"#/components/schemas/JobSpec", "#/components/schemas/SpecTraining"} <= known
