"""Export, bundle and optimizer over HTTP, on a real checkpoint; what takes torch asked of a real previews worker."""

import hashlib
import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.ids import new_id
from app.jobs.journal import take_seqs
from app.models import Checkpoint, Job
from descent import Client
from tests.app.conftest import Api, address, api, client, make_api
from tests.app.test_previews import worker
from tests.export.conftest import Ran, alone, run
from tests.export.jobs import IRIS, changed

__all__ = ["address", "api", "client", "make_api", "worker"]


@pytest.fixture
def ran(tmp_path: Path) -> Ran:
    return run(changed(IRIS, training__epochs=2), tmp_path / "engine")


@pytest.fixture
def job(api: Api, store: Path, session: Session, ran: Ran) -> str:
    """The same job in the service, with the checkpoint that the engine has written."""
    job_id: str = api.post("/v1/jobs", json=ran.resolved).json()["id"]
    content = ran.checkpoint.read_bytes()
    path = f"jobs/{job_id}/a1/{ran.checkpoint.name}"
    (store / path).parent.mkdir(parents=True)
    shutil.copy(ran.checkpoint, store / path)
    row: dict[str, Any] = {"epoch": 2, "step": 14, "attempt": 1, "path": path, "bytes": len(content)}
    row |= {"sha256": hashlib.sha256(content).hexdigest(), "values": {"validation_loss": 0.5}, "reason": "final"}
    ckpt = new_id("ckpt")
    seq = take_seqs(session, job_id)
    session.add(Checkpoint(id=ckpt, job_id=job_id, project_id=api.project_id, seq=seq, **row))
    session.execute(update(Job).where(Job.id == job_id).values(latest_checkpoint_id=ckpt))
    session.commit()
    return job_id


def test_the_optimizer_is_data(api: Api, job: str) -> None:
    found = api.get(f"/v1/jobs/{job}/checkpoints/latest/optimizer").json()
    assert (found["object"], found["type"], found["defaults"]["lr"]) == ("optimizer", "AdamW", 0.01)
    assert found["groups"][0]["parameters"][:2] == ["1.weight", "1.bias"]
    moment = found["state"]["1.weight"]["exp_avg"]
    assert (moment["shape"], moment["dtype"]) == ([16, 4], "float32")
    assert moment["min"] <= moment["mean"] <= moment["max"]
    assert found["state"]["1.weight"]["step"] == 14


def test_what_is_not_there_is_404(api: Api, job: str, make_api: Callable[..., Api]) -> None:
    nothing = job[:-1] + ("0" if job[-1] != "0" else "1")
    for path in (f"{nothing}/export", f"{nothing}/checkpoints/latest/bundle", f"{job}/checkpoints/best/optimizer"):
        assert api.get(f"/v1/jobs/{path}").status_code == 404
    assert make_api("other").get(f"/v1/jobs/{job}/export").status_code == 404


def test_without_a_previews_worker_it_is_503(api: Api, job: str) -> None:
    assert api.get(f"/v1/jobs/{job}/export").status_code == 503


@pytest.mark.system
def test_script_and_bundle(
    api: Api, job: str, ran: Ran, worker: None, tmp_path: Path, address: str, session: Session
) -> None:
    reply = api.get(f"/v1/jobs/{job}/export")
    assert (reply.status_code, reply.headers["content-type"].partition(";")[0]) == (200, "text/x-python")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "train.py").write_text(reply.text)
    assert [json.loads(line) for line in alone(tmp_path / "x", "train.py").splitlines()] == ran.rows
    zipped = zipfile.ZipFile(io.BytesIO(api.get(f"/v1/jobs/{job}/export?format=zip").content))
    assert zipped.namelist() == ["train.py"]

    reply = api.get(f"/v1/jobs/{job}/checkpoints/latest/bundle")
    assert reply.status_code == 200, reply.text
    bundle = zipfile.ZipFile(io.BytesIO(reply.content))
    assert bundle.testzip() is None
    names = {"README.md", "model.py", "fitted.json", "classes.json", "spec.json", "rows.csv", "weights.safetensors"}
    assert set(bundle.namelist()) == names
    weights = api.get(f"/v1/jobs/{job}/checkpoints/latest/weights").content
    assert bundle.read("weights.safetensors") == weights
    alias = api.request("PUT", "/v1/aliases/iris-production", json={"checkpoint": "latest", "job_id": job}).json()
    named = api.get(f"/v1/aliases/{alias['name']}/bundle")
    assert zipfile.ZipFile(io.BytesIO(named.content)).read("weights.safetensors") == weights
    assert json.loads(bundle.read("classes.json")) == ["setosa", "versicolor", "virginica"]
    assert list(json.loads(bundle.read("fitted.json"))["steps"][0]) == ["type", "constant", "mean", "std"]

    session.execute(update(Job).where(Job.id == job).values(parent_checkpoint_id=new_id("ckpt")))
    session.commit()
    refused = api.get(f"/v1/jobs/{job}/export")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_exportable")
    assert refused.json()["detail"] == "The checkpoint that the job was forked from is gone."
    session.execute(update(Job).where(Job.id == job).values(parent_checkpoint_id=None))
    session.commit()

    with Client(address, api.key) as client:
        assert client.export(job).startswith('"""')
        assert client.save_export(job, tmp_path / "t.py").read_text() == client.export(job)
        assert zipfile.is_zipfile(client.save_bundle(job, tmp_path / "b.zip"))
        assert client.optimizer(job)["type"] == "AdamW"
