"""Names on checkpoints."""

from collections.abc import Callable

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.ids import new_id
from app.jobs.journal import take_seqs
from app.jobs.leases.retention import retire
from app.models import Checkpoint, Job
from tests.app.conftest import Api

Add = Callable[[str, int], str]


@pytest.fixture
def add_checkpoint(session: Session) -> Add:
    def add(job_id: str, epoch: int) -> str:
        project_id = session.execute(select(Job.project_id).where(Job.id == job_id)).scalar_one()
        row = Checkpoint(
            id=new_id("ckpt"),
            job_id=job_id,
            project_id=project_id,
            seq=take_seqs(session, job_id),
            epoch=epoch,
            step=epoch,
            attempt=1,
            path=f"jobs/{job_id}/{epoch}",
            bytes=1,
            sha256="0" * 64,
            values={},
            reason="interval",
        )
        session.add(row)
        session.flush()
        session.execute(update(Job).where(Job.id == job_id).values(latest_checkpoint_id=row.id))
        session.commit()
        return row.id

    return add


def put(
    api: Api, name: str = "fraud-production", headers: dict[str, str] | None = None, **body: str
) -> tuple[int, dict]:
    reply = api.request("PUT", f"/v1/aliases/{name}", json=body, headers=headers or {})
    return reply.status_code, reply.json()


def test_a_name_is_put_moved_and_taken_off_and_its_history_stays(api: Api, add_checkpoint: Add) -> None:
    job = api.submit()["id"]
    first, second = add_checkpoint(job, 1), add_checkpoint(job, 2)
    status, alias = put(api, checkpoint=first)
    assert (status, alias["checkpoint"], alias["job_id"], alias["version"]) == (201, first, job, 1)
    assert api.get(f"/v1/jobs/{job}/checkpoints/{first}").json()["pinned"]
    assert put(api, checkpoint=first)[1]["version"] == 1  # it stands there already
    status, alias = put(api, checkpoint="latest", job_id=job)
    assert (status, alias["checkpoint"], alias["version"]) == (200, second, 2)
    shown = api.get("/v1/aliases/fraud-production")
    assert shown.headers["etag"] == '"2"'
    assert [(move["version"], move["checkpoint"]) for move in shown.json()["history"]] == [(2, second), (1, first)]
    assert api.request("DELETE", "/v1/aliases/fraud-production").status_code == 204
    assert api.get("/v1/aliases/fraud-production").status_code == 404
    assert api.request("DELETE", "/v1/aliases/fraud-production").status_code == 404
    status, alias = put(api, checkpoint=first)
    assert (status, alias["version"]) == (201, 4)
    assert [move["checkpoint"] for move in alias["history"]] == [first, None, second, first]
    assert all(move["moved_by"].startswith("key_") for move in alias["history"])


def test_two_that_move_a_name_at_once_are_told_apart(api: Api, add_checkpoint: Add) -> None:
    job = api.submit()["id"]
    first, second = add_checkpoint(job, 1), add_checkpoint(job, 2)
    assert put(api, headers={"if-match": "*"}, checkpoint=first)[0] == 412
    assert put(api, headers={"if-none-match": "*"}, checkpoint=first)[0] == 201
    assert put(api, headers={"if-none-match": "*"}, checkpoint=second)[0] == 412
    assert put(api, headers={"if-match": '"1"'}, checkpoint=second)[0] == 200
    status, problem = put(api, headers={"if-match": '"1"'}, checkpoint=first)
    assert (status, problem["code"]) == (412, "precondition_failed")
    assert api.request("DELETE", "/v1/aliases/fraud-production", headers={"if-match": '"1"'}).status_code == 412
    assert api.get("/v1/aliases/fraud-production").json()["checkpoint"] == second


def test_what_a_name_stands_for_stays(
    api: Api, session: Session, add_checkpoint: Add, end_job: Callable[..., None]
) -> None:
    job = api.submit()["id"]
    named, other = add_checkpoint(job, 1), add_checkpoint(job, 2)
    put(api, checkpoint=named)
    assert retire(session, job, [], keep_last=0) == [f"jobs/{job}/2"]
    session.commit()
    path = f"/v1/jobs/{job}/checkpoints/{named}"
    assert api.post(f"{path}/unpin").status_code == 409
    assert api.request("DELETE", path).status_code == 409
    end_job(job)
    assert api.request("DELETE", f"/v1/jobs/{job}").status_code == 409
    assert api.request("DELETE", "/v1/aliases/fraud-production").status_code == 204
    assert api.post(f"{path}/unpin").status_code == 200
    assert api.request("DELETE", f"/v1/jobs/{job}").status_code == 204
    assert other not in str(api.get("/v1/aliases").json())


def test_wrong_bodies_name_the_place(api: Api, add_checkpoint: Add) -> None:
    job = api.submit()["id"]
    nothing = new_id("ckpt")
    wrong: list[tuple[dict[str, str], str]] = [
        ({}, "/checkpoint"),
        ({"checkpoint": nothing}, "/checkpoint"),
        ({"checkpoint": "best"}, "/job_id"),
        ({"checkpoint": "best", "job_id": job}, "/checkpoint"),
        ({"checkpoint": "best", "job_id": new_id("job")}, "/job_id"),
        ({"checkpoint": nothing, "more": "x"}, "/more"),
    ]
    for body, pointer in wrong:
        status, problem = put(api, **body)
        assert status == 422
        assert pointer in [error["pointer"] for error in problem["errors"]]
    for name in ("Loud", "-x", "a" * 101, "a%20b"):
        assert put(api, name, checkpoint=nothing)[0] == 422
    assert api.get("/v1/aliases").json()["data"] == []


def test_names_are_a_projects_own(api: Api, make_api: Callable[..., Api], add_checkpoint: Add) -> None:
    mine = add_checkpoint(api.submit()["id"], 1)
    other = make_api("two")
    theirs = add_checkpoint(other.submit()["id"], 1)
    put(api, checkpoint=mine)
    assert other.get("/v1/aliases/fraud-production").status_code == 404
    assert other.get("/v1/aliases").json()["data"] == []
    assert put(other, checkpoint=mine)[0] == 422
    assert put(other, checkpoint=theirs)[0] == 201
    assert api.get("/v1/aliases/fraud-production").json()["checkpoint"] == mine
    listed = [put(api, name, checkpoint=mine)[1]["name"] for name in ("c", "a", "b")]
    page = api.get("/v1/aliases?limit=2").json()
    assert ([one["name"] for one in page["data"]], page["has_more"]) == (sorted(listed)[:2], True)
    assert make_api(scopes=("read",)).request("DELETE", "/v1/aliases/a").status_code == 403
