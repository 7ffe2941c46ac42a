"""One data set for all projects."""

from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from app.projects.service import create_key
from tests.app.conftest import SPEC, Api

CONTENT = b"a,b\n" + b"1,0\n2,1\n" * 20


def upload(api: Api, name: str = "shared") -> str:
    form: dict[str, Any] = {"files": {"file": ("x.csv", CONTENT)}, "data": {"name": name, "target": "b"}}
    reply = api.post("/v1/datasets", **form)
    assert reply.status_code == 201, reply.text
    return str(reply.json()["id"])


def spec(dataset: str) -> dict[str, Any]:
    return SPEC | {"data": {"dataset": dataset, "split": {"train": 30, "validation": 10}}}


def test_a_published_data_set_is_read_by_all_and_changed_by_its_own(
    client: TestClient, session: Session, make_api: Callable[..., Api]
) -> None:
    one, two = make_api("one"), make_api("two")
    root = Api(client, create_key(session, "root", ("read", "write", "admin"), None), one.project_id)
    session.commit()
    inside = {"headers": {"descent-project": one.project_id}}
    shared, private = upload(one), upload(one, "private")
    path = f"/v1/datasets/{shared}"
    assert one.post(f"{path}/publish").status_code == 403
    assert two.get(path).status_code == 404
    assert two.post("/v1/jobs", json=spec(shared)).status_code == 422
    published = root.post(f"{path}/publish", **inside)
    assert (published.status_code, published.json()["published"]) == (200, True)
    assert two.get(path).json()["published"] is True
    assert [found["id"] for found in two.get("/v1/datasets").json()["data"]] == [shared]
    assert two.get(f"/v1/datasets/{private}").status_code == 404
    job = two.post("/v1/jobs", json=spec("shared@latest"))
    assert job.status_code == 201, job.text
    assert job.json()["resolved_spec"]["data"]["dataset"] == shared
    assert two.request("DELETE", path).status_code == 404
    assert root.post(f"{path}/publish", headers={"descent-project": two.project_id}).status_code == 404
    assert one.request("DELETE", path).status_code == 409
    assert root.request("DELETE", f"/v1/projects/{one.project_id}").json()["code"] == "state_conflict"
    needed = root.post(f"{path}/withdraw", **inside)
    assert (needed.status_code, needed.json()["code"]) == (409, "dataset_in_use")
    two.post(f"/v1/jobs/{job.json()['id']}/cancel")
    assert root.post(f"{path}/withdraw", **inside).json()["published"] is False
    assert two.get(path).status_code == 404
    assert one.request("DELETE", path).status_code == 204


def test_a_projects_own_goes_before_a_published_one(
    client: TestClient, session: Session, make_api: Callable[..., Api]
) -> None:
    one, two = make_api("one"), make_api("two")
    root = Api(client, create_key(session, "root", ("read", "write", "admin"), None), one.project_id)
    session.commit()
    upload(one)
    shared, own = upload(one), upload(two)
    root.post(f"/v1/datasets/{shared}/publish", headers={"descent-project": one.project_id})
    found = {name: two.post("/v1/jobs", json=spec(name)).json() for name in ("shared@latest", "shared@2")}
    assert found["shared@latest"]["resolved_spec"]["data"]["dataset"] == own
    assert found["shared@2"]["resolved_spec"]["data"]["dataset"] == shared
