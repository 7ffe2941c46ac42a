"""Who gets in, what for, and whose rows they see."""

import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.logs import JsonFormatter
from app.main import create_app
from app.models import ApiKey, Job
from app.projects.principals import remembered
from app.projects.repository import announce_keys
from app.projects.service import create_key, ensure_default_project
from tests.app.conftest import SPEC, Api

ROUTES = [
    (method.upper(), path)
    for path, methods in create_app().openapi()["paths"].items()
    for method in methods
    if path not in ("/healthz", "/readyz", "/", "/dashboard/{name}")
]
NOT_ABOUT_SCOPES = ("/v1/me",)
JOB_ROUTES = [route for route in ROUTES if "{job_id}" in route[1]]


def filled(path: str, job: str) -> str:
    """The path with the job's id, and with ids of nothing."""
    path = path.replace("{job_id}", job).replace("{checkpoint_id}", "latest")
    return re.sub(r"\{[a-z_]+\}", "xxx_" + "0" * 26, path)


def test_without_a_key_everything_is_401(client: TestClient) -> None:
    for method, path in [*ROUTES, ("GET", "/nowhere"), ("PUT", "/v1/jobs"), ("OPTIONS", "/v1/x")]:
        for headers in ({}, {"authorization": "Bearer dsk_x"}, {"authorization": "Basic eDp5"}):
            reply = client.request(method, path, headers=headers)
            assert (reply.status_code, reply.json()["code"]) == (401, "unauthorized"), path
            assert reply.headers["www-authenticate"] == "Bearer"


def test_with_a_key_an_unknown_path_is_404_and_a_wrong_method_405(api: Api) -> None:
    assert api.get("/nowhere").json()["code"] == "not_found"
    reply = api.request("PUT", "/v1/jobs")
    assert (reply.status_code, reply.json()["code"]) == (405, "method_not_allowed")


def test_two_projects_do_not_see_each_other(make_api: Callable[..., Api]) -> None:
    mine, theirs = make_api("one"), make_api("two")
    job = mine.submit()["id"]
    for method, path in JOB_ROUTES:
        body = {"json": {}} if method in ("POST", "PATCH") else {}
        assert theirs.request(method, filled(path, job), **body).status_code == 404, path
    assert theirs.get("/v1/jobs").json()["data"] == []
    assert mine.get(f"/v1/jobs/{job}").json()["status"] == "queued"


def test_an_idempotency_key_belongs_to_its_project(make_api: Callable[..., Api]) -> None:
    headers = {"idempotency-key": "k"}
    ids = {make_api(name).post("/v1/jobs", json=SPEC, headers=headers).json()["id"] for name in ("one", "two")}
    assert len(ids) == 2


def test_a_key_needs_the_scope(make_api: Callable[..., Api]) -> None:
    none = make_api("one", ())
    for method, path in ROUTES:
        if path in NOT_ABOUT_SCOPES:
            continue  # any key may look at itself
        assert none.request(method, filled(path, "job_" + "0" * 26), json={}).status_code == 403, path


def test_a_reader_cannot_write(make_api: Callable[..., Api]) -> None:
    reader = make_api("one", ("read",))
    assert reader.get("/v1/jobs").status_code == 200
    assert reader.post("/v1/jobs", json=SPEC).json()["code"] == "forbidden"


def test_an_expired_key_and_a_revoked_one_are_401(api: Api, client: TestClient, session: Session) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    expired = create_key(session, "old", ("read",), None, expires_at=yesterday)
    session.commit()
    assert Api(client, expired, "").get("/v1/me").status_code == 401
    assert api.get("/v1/me").status_code == 200
    session.execute(update(ApiKey).where(ApiKey.name == "one").values(revoked_at=yesterday))
    announce_keys(session)
    session.commit()
    for _ in range(100):  # the other processes hear of it
        if api.get("/v1/me").status_code == 401:
            break
    assert api.get("/v1/me").status_code == 401


def test_a_key_is_stored_hashed_and_its_use_noted(api: Api, session: Session) -> None:
    api.get("/v1/me")
    key = session.execute(select(ApiKey)).scalar_one()
    assert api.key.split("_")[2] not in str(vars(key))
    assert key.last_used_at is not None
    remembered.clear()
    tampered = api.key[:-1] + ("0" if api.key[-1] != "0" else "1")
    assert Api(api.client, tampered, "").get("/v1/me").status_code == 401


def test_a_key_of_many_projects_names_one(client: TestClient, make_api: Callable[..., Api], session: Session) -> None:
    one, two = make_api("one"), make_api("two")
    both = Api(client, create_key(session, "both", ("read", "write"), [one.project_id, two.project_id]), "")
    every = Api(client, create_key(session, "every", ("read",), None), "")
    session.commit()
    headers = {"descent-project": two.project_id}
    job = both.post("/v1/jobs", json=SPEC, headers=headers).json()["id"]
    assert session.execute(select(Job.project_id)).scalar_one() == two.project_id
    assert both.get(f"/v1/jobs/{job}").status_code == 404
    assert every.get(f"/v1/jobs/{job}", headers=headers).status_code == 200
    assert one.get(f"/v1/jobs/{job}", headers=headers).status_code == 404
    assert every.get("/v1/jobs", headers={"descent-project": "prj_unknown"}).status_code == 404
    assert [project["name"] for project in both.get("/v1/me").json()["projects"]] == ["one", "two"]


def test_the_default_project_is_made_once(session: Session, database: str) -> None:
    assert ensure_default_project(session) == ensure_default_project(session)


def test_a_log_line_carries_the_request_and_no_secret(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "descent.api"):
        reply = api.post("/v1/jobs?dry_run=false&token=hush", json=SPEC | {"name": "private words"})
    lines = [JsonFormatter().format(record) for record in caplog.records if record.name == "descent.api"]
    line = json.loads(lines[-1])
    assert (line["method"], line["path"], line["status"]) == ("POST", "/v1/jobs", 201)
    assert line["project"] == api.project_id
    assert reply.headers["x-request-id"].startswith("req_")
    assert not any(word in "".join(lines) for word in ("private words", "hush", api.key, "dsk_"))


def test_replies_carry_security_headers(api: Api) -> None:
    headers = api.get("/v1/jobs").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert "access-control-allow-origin" not in headers
