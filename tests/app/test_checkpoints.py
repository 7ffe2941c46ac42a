"""Checkpoints over HTTP, on a real safetensors file with more in it than the model."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.ids import new_id
from app.jobs.journal import take_seqs
from app.models import Checkpoint, Job
from tests.app.conftest import Api

TENSORS = {
    "model.0.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "model.0.bias": np.array([1.5, -2.5], dtype=np.float32),
    "model.1.num_batches_tracked": np.array(7, dtype=np.int64),
    "ema.0.bias": np.zeros(2, dtype=np.float32),
    "state.0": np.ones(3, dtype=np.uint8),
}


@pytest.fixture
def checkpoint(api: Api, store: Path, session: Session) -> Callable[..., dict[str, Any]]:
    def make(job_id: str, epoch: int = 1) -> dict[str, Any]:
        data = save(TENSORS, {"descent": "{}"})
        sha256 = hashlib.sha256(data).hexdigest()
        path = f"jobs/{job_id}/a1/e{epoch:06d}-s{epoch * 5:08d}-{sha256[:8]}.safetensors"
        (store / path).parent.mkdir(parents=True, exist_ok=True)
        (store / path).write_bytes(data)
        row: dict[str, Any] = {"epoch": epoch, "step": epoch * 5, "attempt": 1, "path": path, "bytes": len(data)}
        ckpt = new_id("ckpt")
        row |= {"sha256": sha256, "values": {"validation_loss": 0.5}, "reason": "interval"}
        seq = take_seqs(session, job_id)
        session.add(Checkpoint(id=ckpt, job_id=job_id, project_id=api.project_id, seq=seq, **row))
        session.execute(update(Job).where(Job.id == job_id).values(latest_checkpoint_id=ckpt))
        session.commit()
        return {"id": ckpt, "file": store / path, **row}

    return make


def test_the_list_and_one(api: Api, checkpoint: Callable[..., dict[str, Any]]) -> None:
    job = api.submit()["id"]
    one = checkpoint(job, 1)
    two = checkpoint(job, 2)
    listed = api.get(f"/v1/jobs/{job}/checkpoints").json()
    assert {row["id"]: row["is_latest"] for row in listed["data"]} == {two["id"]: True, one["id"]: False}
    shown = api.get(f"/v1/jobs/{job}/checkpoints/{one['id']}").json()
    assert (shown["object"], shown["epoch"], shown["step"], shown["bytes"]) == ("checkpoint", 1, 5, one["bytes"])
    assert (shown["sha256"], shown["values"], shown["pinned"]) == (one["sha256"], {"validation_loss": 0.5}, False)
    assert api.get(f"/v1/jobs/{job}/checkpoints/latest").json()["id"] == two["id"]
    assert api.get(f"/v1/jobs/{job}/checkpoints/best").status_code == 404
    assert api.get(f"/v1/jobs/{job}/checkpoints?limit=1").json()["has_more"]


def test_weights_are_the_model_alone(api: Api, checkpoint: Callable[..., dict[str, Any]]) -> None:
    job = api.submit()["id"]
    made = checkpoint(job)
    reply = api.get(f"/v1/jobs/{job}/checkpoints/{made['id']}/weights")
    assert reply.status_code == 200
    assert int(reply.headers["content-length"]) == len(reply.content)
    weights = load(reply.content)
    assert set(weights) == {"0.weight", "0.bias", "1.num_batches_tracked"}
    for name, tensor in weights.items():
        np.testing.assert_array_equal(tensor, TENSORS[f"model.{name}"])
        assert tensor.dtype == TENSORS[f"model.{name}"].dtype
    tag = reply.headers["etag"]
    assert api.get(f"/v1/jobs/{job}/checkpoints/latest/weights", headers={"if-none-match": tag}).status_code == 304


def test_the_state_is_the_file(api: Api, checkpoint: Callable[..., dict[str, Any]]) -> None:
    job = api.submit()["id"]
    made = checkpoint(job)
    assert api.get(f"/v1/jobs/{job}/checkpoints/{made['id']}/state").content == made["file"].read_bytes()


def test_a_damaged_file_and_a_lost_one_are_said_so(api: Api, checkpoint: Callable[..., dict[str, Any]]) -> None:
    job = api.submit()["id"]
    made = checkpoint(job)
    path = f"/v1/jobs/{job}/checkpoints/{made['id']}/weights"
    data = bytearray(made["file"].read_bytes())
    data[-1] ^= 1  # one bit
    made["file"].write_bytes(data)
    reply = api.get(path)
    assert (reply.status_code, reply.json()["code"]) == (409, "checkpoint_damaged")
    made["file"].unlink()
    assert api.get(path).json()["code"] == "checkpoint_lost"


def test_a_job_resumes_at_a_checkpoint_of_its_own(api: Api, checkpoint: Callable[..., dict[str, Any]]) -> None:
    job, other = api.submit()["id"], api.submit()["id"]
    first, foreign = checkpoint(job, 1), checkpoint(other, 1)
    checkpoint(job, 2)
    api.post(f"/v1/jobs/{job}/pause")
    assert api.post(f"/v1/jobs/{job}/resume", json={"checkpoint": foreign["id"]}).status_code == 422
    resumed = api.post(f"/v1/jobs/{job}/resume", json={"checkpoint": first["id"]}).json()
    assert (resumed["status"], resumed["latest_checkpoint"]) == ("queued", first["id"])


def test_a_checkpoint_is_pinned_and_removed(api: Api, checkpoint: Callable[..., dict[str, Any]]) -> None:
    job = api.submit()["id"]
    old, new = checkpoint(job, 1), checkpoint(job, 2)
    path = f"/v1/jobs/{job}/checkpoints/{old['id']}"
    assert api.post(f"{path}/pin").json()["pinned"] is True
    assert api.request("DELETE", path).status_code == 409
    assert api.post(f"{path}/unpin").json()["pinned"] is False
    assert api.request("DELETE", path).status_code == 204
    assert not old["file"].exists()
    assert api.get(path).status_code == 404
    assert api.request("DELETE", f"/v1/jobs/{job}/checkpoints/{new['id']}").status_code == 409  # the latest
