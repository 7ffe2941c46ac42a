"""Projects, keys, tokens, quotas and the audit trail over HTTP."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.blobs import blob_path
from app.models import Checkpoint, Project
from app.projects.quotas import Rates
from app.projects.service import create_key
from tests.app.conftest import SPEC, Api
from tests.app.weights.files import safetensors


@pytest.fixture
def root(client: TestClient, session: Session, make_api: Callable[..., Api]) -> Api:
    """A key for all projects."""
    project_id = make_api("one").project_id
    key = create_key(session, "root", ("read", "write", "admin"), None)
    session.commit()
    return Api(client, key, project_id)


def test_a_project_is_made_changed_and_removed(root: Api) -> None:
    made = root.post("/v1/projects", json={"name": "vision", "quotas": {"jobs": 2}})
    assert made.status_code == 201
    project = made.json()
    assert (project["object"], project["name"], project["quotas"]) == ("project", "vision", {"jobs": 2})
    assert root.post("/v1/projects", json={"name": "vision"}).json()["code"] == "name_taken"
    path = f"/v1/projects/{project['id']}"
    assert root.request("PATCH", path, json={"quotas": {"epochs": 9}}).json()["quotas"] == {"epochs": 9}
    assert root.request("PATCH", path, json={"name": "sight"}).json()["name"] == "sight"
    assert [p["name"] for p in root.get("/v1/projects").json()["data"]] == ["one", "sight"]
    headers = {"descent-project": project["id"]}
    job = root.post("/v1/jobs", json=SPEC, headers=headers).json()["id"]
    assert root.request("DELETE", path).status_code == 409
    root.post(f"/v1/jobs/{job}/cancel", headers=headers)
    assert root.request("DELETE", path).status_code == 204
    assert root.get(path).status_code == 404


def test_an_admin_of_one_project_stays_in_it(root: Api, make_api: Callable[..., Api]) -> None:
    one, two = make_api("one"), make_api("two")
    assert one.post("/v1/projects", json={"name": "x"}).status_code == 403
    assert one.get(f"/v1/projects/{two.project_id}").status_code == 404
    assert one.request("PATCH", f"/v1/projects/{two.project_id}", json={"name": "x"}).status_code == 404
    assert [p["id"] for p in one.get("/v1/projects").json()["data"]] == [one.project_id]
    assert one.post("/v1/keys", json={"name": "x", "projects": "*", "scopes": ["read"]}).status_code == 403
    foreign = one.post("/v1/keys", json={"name": "x", "projects": [two.project_id], "scopes": ["read"]})
    assert (foreign.status_code, foreign.json()["errors"][0]["pointer"]) == (422, "/projects/0")
    shown = {key["name"] for key in one.get("/v1/keys").json()["data"]}
    assert shown == {"one"}
    other = next(key["id"] for key in root.get("/v1/keys").json()["data"] if key["name"] == "two")
    assert one.get(f"/v1/keys/{other}").status_code == 404
    assert one.request("DELETE", f"/v1/keys/{other}").status_code == 404
    assert one.post(f"/v1/keys/{other}/rotate").status_code == 404
    assert two.get("/v1/me").status_code == 200


def test_a_key_lives_is_rotated_and_revoked(root: Api) -> None:
    body = {"name": "ci", "projects": [root.project_id], "scopes": ["read"], "expires_at": "2100-01-01T00:00:00Z"}
    made = root.post("/v1/keys", json=body)
    assert made.status_code == 201
    key = made.json()
    assert (key["projects"], key["scopes"]) == ([root.project_id], ["read"])
    assert "secret" not in root.get(f"/v1/keys/{key['id']}").json()
    old = Api(root.client, key["secret"], root.project_id)
    assert old.get("/v1/me").status_code == 200
    rotated = root.post(f"/v1/keys/{key['id']}/rotate").json()
    new = Api(root.client, rotated["secret"], root.project_id)
    assert rotated["id"] == key["id"]
    assert (old.get("/v1/me").status_code, new.get("/v1/me").status_code) == (401, 200)
    assert root.request("DELETE", f"/v1/keys/{key['id']}").status_code == 204
    assert new.get("/v1/me").status_code == 401
    assert root.post(f"/v1/keys/{key['id']}/rotate").status_code == 409


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["all"]}, "/scopes/0"),
        ({"expires_at": "tomorrow"}, "/expires_at"),
        ({"expires_at": "2100-01-01T00:00:00"}, "/expires_at"),
        ({"name": ""}, "/name"),
        ({"more": 1}, "/more"),
    ],
)
def test_a_wrong_key_is_refused(root: Api, change: dict[str, Any], pointer: str) -> None:
    reply = root.post("/v1/keys", json={"name": "x", "projects": "*", "scopes": ["read"]} | change)
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["pointer"] == pointer


def test_a_token_reads_its_sweep_and_the_points(api: Api, make_api: Callable[..., Api]) -> None:
    body = {"spec": SPEC, "over": {"/seed": [1, 2]}, "objective": {"monitor": "train_loss", "mode": "min"}}
    sweep, other = (api.post("/v1/sweeps", json=body).json() for _ in range(2))
    made = api.post("/v1/tokens", json={"sweep_id": sweep["id"]})
    points = sorted(point["job_id"] for point in sweep["points"])
    assert (made.status_code, made.json()["sweep_id"], made.json()["jobs"]) == (201, sweep["id"], points)
    token = Api(api.client, made.json()["secret"], api.project_id)
    assert token.get(f"/v1/sweeps/{sweep['id']}").json()["id"] == sweep["id"]
    assert token.get(f"/v1/sweeps/{sweep['id']}/table?by=/seed").status_code == 200
    assert token.get(f"/v1/jobs/{points[0]}/epochs").status_code == 200
    assert token.get(f"/v1/sweeps/{other['id']}").status_code == 404
    assert token.get("/v1/sweeps").status_code == 403
    assert token.post(f"/v1/sweeps/{sweep['id']}/cancel").status_code == 403
    foreign = make_api("two").post("/v1/tokens", json={"sweep_id": sweep["id"]})
    assert (foreign.status_code, foreign.json()["errors"][0]["pointer"]) == (422, "/sweep_id")
    assert api.post("/v1/tokens", json={}).status_code == 422
    assert api.post("/v1/tokens", json={"sweep_id": sweep["id"], "jobs": points}).status_code == 422


def test_writes_of_data_sets_are_in_the_trail(api: Api) -> None:
    form = {"files": {"file": ("x.csv", b"a,b\n1,0\n2,1\n")}, "data": {"name": "x", "target": "b"}}
    made = api.post("/v1/datasets", **form).json()["id"]
    api.request("DELETE", f"/v1/datasets/{made}")
    deleted, uploaded = api.get("/v1/audit").json()["data"]
    assert (uploaded["method"], uploaded["path"], uploaded["target"]) == ("POST", "/v1/datasets", made)
    assert (deleted["method"], deleted["path"]) == ("DELETE", f"/v1/datasets/{made}")


def test_a_token_reads_its_jobs_and_nothing_else(api: Api) -> None:
    job, other = api.submit()["id"], api.submit()["id"]
    made = api.post("/v1/tokens", json={"jobs": [job], "expires_in": 60})
    assert made.status_code == 201
    secret = made.json()["secret"]
    assert secret.startswith("dst_")
    token = Api(api.client, secret, api.project_id)

    def status(path: str, method: str = "GET") -> int:
        code: int = token.request(method, path).status_code
        return code

    assert status(f"/v1/jobs/{job}") == status(f"/v1/jobs/{job}/epochs") == status(f"/v1/compare?job_id={job}") == 200
    assert status(f"/v1/jobs/{other}") == status(f"/v1/compare?job_id={job}&job_id={other}") == 404
    assert status("/v1/jobs") == status("/v1/keys") == status("/v1/me") == status("/nowhere") == 403
    assert status(f"/v1/jobs/{job}/cancel", "POST") == 403
    assert api.client.get(f"/v1/jobs/{job}/epochs?token={secret}").status_code == 200
    assert api.client.get(f"/v1/jobs/{job}/epochs?token={api.key}").status_code == 401  # a key in a query is none
    assert api.client.post(f"/v1/jobs/{job}/cancel?token={secret}").status_code == 401
    assert api.get("/v1/keys").json()["data"][0]["name"] == "one"  # tokens are not listed
    too_long = api.post("/v1/tokens", json={"jobs": [job], "expires_in": 8 * 86400})
    assert too_long.json()["errors"][0]["pointer"] == "/expires_in"
    assert api.post("/v1/tokens", json={"jobs": ["job_x"]}).json()["errors"][0]["pointer"] == "/jobs/0"


def limit(session: Session, project_id: str, **quotas: int) -> None:
    session.execute(update(Project).where(Project.id == project_id).values(quotas=quotas))
    session.commit()


def test_a_project_over_its_quota_is_429(api: Api, session: Session) -> None:
    limit(session, api.project_id, jobs=1, epochs=4)
    job = api.submit()
    over = api.post("/v1/jobs", json=SPEC)
    assert (over.status_code, over.json()["code"]) == (429, "quota_exceeded")
    assert int(over.headers["retry-after"]) > 0
    found = api.get("/v1/me").json()["quotas"]
    assert {name: quota for name, quota in found.items() if quota["limit"] is not None} == {
        "jobs": {"limit": 1, "used": 1},
        "epochs": {"limit": 4, "used": None},
    }
    api.post(f"/v1/jobs/{job['id']}/cancel")
    long = SPEC | {"training": {"epochs": 5, "batch_size": 24}}
    assert api.post("/v1/jobs", json=long).status_code == 429
    assert api.post("/v1/jobs", json=SPEC).status_code == 201


def test_full_storage_takes_no_more_jobs(api: Api, session: Session) -> None:
    limit(session, api.project_id, storage_bytes=100)
    job = api.submit()["id"]
    row: dict[str, Any] = {
        "epoch": 1,
        "step": 1,
        "attempt": 1,
        "path": "p",
        "sha256": "x",
        "values": {},
        "reason": "final",
    }
    session.add(Checkpoint(id="ckpt_1", job_id=job, project_id=api.project_id, seq=9, bytes=100, **row))
    session.commit()
    assert api.post("/v1/jobs", json=SPEC).status_code == 429


def test_requests_over_the_rate_are_429(api: Api, session: Session) -> None:
    limit(session, api.project_id, requests_per_minute=3)
    codes = [api.get("/v1/jobs").status_code for _ in range(5)]
    assert codes == [200, 200, 200, 429, 429]


def test_a_bucket_fills_up_again() -> None:
    rates = Rates()
    for _ in range(6000):
        rates.take("p", 6000)
    time.sleep(0.05)
    rates.take("p", 6000)


def test_writes_leave_a_trail_and_reads_do_not(api: Api, make_api: Callable[..., Api]) -> None:
    job = api.submit()["id"]
    api.get(f"/v1/jobs/{job}")
    cancelled = api.post(f"/v1/jobs/{job}/cancel")
    api.post(f"/v1/jobs/{job}/pause")  # refused: nothing was written
    trail = api.get("/v1/audit").json()["data"]
    assert [(entry["method"], entry["path"], entry["target"]) for entry in trail] == [
        ("POST", f"/v1/jobs/{job}/cancel", None),
        ("POST", "/v1/jobs", job),
    ]
    assert trail[0]["request_id"] == cancelled.headers["x-request-id"]
    assert trail[0]["key_id"] == api.get("/v1/me").json()["id"]
    assert make_api("two").get("/v1/audit").json()["data"] == []


def test_a_project_takes_its_files_with_it_but_no_other_ones(
    root: Api, make_api: Callable[..., Api], store: Path
) -> None:
    """Uploads of equal content are one file: it stays for as long as another project has it."""
    other = make_api("two")

    def put(api: Api, route: str, content: bytes, **fields: str) -> Path:
        made = api.post(f"/v1/{route}", files={"file": ("x.csv", content)}, data=fields)
        assert made.status_code == 201, made.text
        return blob_path(store, hashlib.sha256(content).hexdigest())

    shared = put(root, "weights", safetensors({"w": [3]}))
    put(other, "weights", safetensors({"w": [3]}))
    own = [
        put(other, "weights", safetensors({"w": [4]}), name="x"),
        put(other, "datasets", b"a,b\n1,0\n2,1\n", name="x", target="b"),
    ]
    assert all(path.exists() for path in [shared, *own])
    assert root.request("DELETE", f"/v1/projects/{other.project_id}").status_code == 204
    assert [path.exists() for path in [shared, *own]] == [True, False, False]
