"""Weights over HTTP, and what a submit makes of a spec that names some."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.blobs import blob_path
from app.ids import new_id
from app.jobs.journal import take_seqs
from app.models import Checkpoint, Job
from tests.app.conftest import SPEC, Api
from tests.app.weights.files import safetensors

SHAPES = {"1.weight": [16, 4], "1.bias": [16], "3.weight": [3, 16], "3.bias": [3]}
CONTENT = safetensors(SHAPES)


def upload(api: Api, content: bytes = CONTENT, **fields: str) -> Any:
    return api.post("/v1/weights", data=fields, files={"file": ("w.safetensors", content)})


def starting_from(named: dict[str, Any]) -> dict[str, Any]:
    return SPEC | {"model": {"type": "MLP", "hidden": [16], "initial_weights": named}}


def refused(api: Api, named: dict[str, Any]) -> str:
    reply = api.post("/v1/jobs", json=starting_from(named))
    assert reply.status_code == 422, reply.text
    pointer: str = reply.json()["errors"][0]["pointer"]
    return pointer


@pytest.fixture
def add_checkpoint(session: Session, store: Path) -> Callable[[str], str]:
    """A checkpoint with a file, as a worker commits it; its id."""

    def add(job_id: str) -> str:
        content = safetensors({f"model.{name}": shape for name, shape in SHAPES.items()} | {"state.0": [1]})
        checkpoint_id, seq = new_id("ckpt"), take_seqs(session, job_id)
        path = store / "jobs" / job_id / f"{checkpoint_id}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        row = {"path": str(path.relative_to(store)), "bytes": len(content), "values": {}, "reason": "final"}
        row |= {"id": checkpoint_id, "job_id": job_id, "seq": seq, "epoch": 1, "step": seq, "attempt": 1}
        project_id = session.get_one(Job, job_id).project_id
        session.add(Checkpoint(**row, project_id=project_id, sha256=hashlib.sha256(content).hexdigest()))
        session.flush()
        session.execute(update(Job).where(Job.id == job_id).values(latest_checkpoint_id=checkpoint_id))
        session.commit()
        return checkpoint_id

    return add


def test_an_upload_is_checked_kept_listed_and_removed(api: Api, make_api: Callable[..., Api], store: Path) -> None:
    made = upload(api, name="backbone")
    assert made.status_code == 201, made.text
    weights = made.json()
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    assert (weights["object"], weights["parameters"], weights["sha256"]) == ("weights", 131, sha256)
    assert weights["tensors"][0] == {"name": "1.weight", "dtype": "F32", "shape": [16, 4]}
    assert blob_path(store, sha256).read_bytes() == CONTENT
    listed = api.get("/v1/weights").json()["data"]
    assert listed == [{key: value for key, value in weights.items() if key != "tensors"}]
    other = make_api("two")
    assert other.get("/v1/weights").json()["data"] == []
    assert other.get(f"/v1/weights/{weights['id']}").status_code == 404
    assert other.request("DELETE", f"/v1/weights/{weights['id']}").status_code == 404
    assert api.get(f"/v1/weights/{weights['id']}").json() == weights
    assert api.request("DELETE", f"/v1/weights/{weights['id']}").status_code == 204
    assert not blob_path(store, sha256).exists()


def test_what_is_no_safetensors_file_is_refused_and_leaves_nothing(api: Api, store: Path) -> None:
    reply = upload(api, b"import os" * 10)
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "/file")
    assert api.post("/v1/weights", data={"name": "x"}, files={"other": ("x", b"")}).status_code == 422
    assert [path.name for path in store.rglob("*") if path.is_file()] == ["installation.json"]


def test_weights_of_a_job_that_has_not_ended_stay(api: Api, end_job: Callable[..., None]) -> None:
    weights_id = upload(api).json()["id"]
    job = api.submit(**starting_from({"upload": weights_id}))
    assert job["resolved_spec"]["model"]["initial_weights"]["upload"] == weights_id
    refusal = api.request("DELETE", f"/v1/weights/{weights_id}")
    assert (refusal.status_code, refusal.json()["code"]) == (409, "weights_in_use")
    end_job(job["id"])
    assert api.request("DELETE", f"/v1/weights/{weights_id}").status_code == 204
    assert refused(api, {"upload": weights_id}) == "/model/initial_weights/upload"


def test_latest_becomes_one_checkpoint_that_stays_until_the_last_job_that_names_it_is_gone(
    api: Api, add_checkpoint: Callable[[str], str], end_job: Callable[..., None], store: Path
) -> None:
    source = api.submit()["id"]
    assert refused(api, {"job": source}) == "/model/initial_weights/checkpoint"
    checkpoint = add_checkpoint(source)
    jobs = [api.submit(**starting_from({"job": source})), api.submit(**starting_from({"job": source}))]
    named = jobs[0]["resolved_spec"]["model"]["initial_weights"]
    assert (named["job"], named["checkpoint"]) == (source, checkpoint)
    held = api.get(f"/v1/jobs/{source}/checkpoints/{checkpoint}").json()
    end_job(source)
    assert api.request("DELETE", f"/v1/jobs/{source}").status_code == 204
    assert not (store / "jobs" / source).exists()
    assert blob_path(store, held["sha256"]).exists()
    assert api.get(f"/v1/weights/{checkpoint}").status_code == 404  # it is nobody's upload
    again = api.submit(**starting_from({"job": source, "checkpoint": checkpoint}))  # as `reproduce` does
    for job in [*jobs, again]:
        assert blob_path(store, held["sha256"]).exists()
        end_job(job["id"])
        assert api.request("DELETE", f"/v1/jobs/{job['id']}").status_code == 204
    assert not blob_path(store, held["sha256"]).exists()
    assert refused(api, {"job": source, "checkpoint": checkpoint}) == "/model/initial_weights/job"


def test_nothing_of_another_project_is_found(
    api: Api, make_api: Callable[..., Api], add_checkpoint: Callable[[str], str]
) -> None:
    source = api.submit()["id"]
    checkpoint = add_checkpoint(source)
    weights_id = upload(api).json()["id"]
    api.submit(**starting_from({"job": source}))  # held, and still only for its own project
    other = make_api("two")
    assert refused(other, {"job": source}) == "/model/initial_weights/job"
    assert refused(other, {"job": source, "checkpoint": checkpoint}) == "/model/initial_weights/job"
    assert refused(other, {"upload": weights_id}) == "/model/initial_weights/upload"
    assert refused(api, {"upload": checkpoint}) == "/model/initial_weights/upload"
    assert refused(api, {"job": source, "checkpoint": "x\ud83d"[:1]}) == "/model/initial_weights/checkpoint"


def test_a_sweep_keeps_the_weights_that_its_points_start_from(
    api: Api, add_checkpoint: Callable[[str], str], store: Path
) -> None:
    source = api.submit()["id"]
    checkpoint = add_checkpoint(source)
    spec = starting_from({"job": source, "checkpoint": "latest"})
    reply = api.post("/v1/sweeps", json={"spec": spec, "over": {"/optimizer/lr": [0.1, 0.01]}})
    assert reply.status_code == 201, reply.text
    for point in reply.json()["points"]:
        resolved = api.get(f"/v1/jobs/{point['job_id']}").json()["resolved_spec"]
        assert resolved["model"]["initial_weights"]["checkpoint"] == checkpoint
    assert len([path for path in (store / "blobs").rglob("*") if path.is_file()]) == 1


def test_weights_may_be_larger_than_other_bodies(api: Api) -> None:
    large = upload(api, safetensors({"w": [1024, 1280]}))
    assert large.status_code == 201, large.text
    assert large.json()["bytes"] > 5 * 2**20
