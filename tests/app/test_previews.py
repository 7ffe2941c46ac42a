"""The dry run, asked of a real previews worker over the real broker."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from app.previews import service as previews
from app.settings import get_settings
from tests.app.conftest import SPEC, Api

pytestmark = pytest.mark.system


@pytest.fixture
def worker(api: Api) -> Iterator[None]:
    command = [sys.executable, "-m", "worker.main", "--queues", "previews"]
    process = subprocess.Popen(command, env=dict(os.environ), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not any(row["queue"] == "previews" for row in api.get("/v1/workers").json()["data"]):
            assert process.poll() is None, "the worker has ended"
            assert time.monotonic() < deadline, "no previews worker came up"
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(60)


def test_what_is_too_large_is_refused_when_it_is_submitted(
    api: Api, worker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit of the operator's on memory is 422 with a pointer; a quota of the project's on parameters 429."""
    wide = SPEC | {"model": {"type": "MLP", "hidden": [500, 500]}}
    monkeypatch.setenv("DESCENT_JOB_MEMORY_BYTES", str(2**20))
    get_settings.cache_clear()
    for query in ("", "?dry_run=true"):
        refused = api.post(f"/v1/jobs{query}", json=wide)
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/model")
        assert "a job may have 1.0 MiB" in refused.json()["detail"]
    assert api.post("/v1/jobs", json=SPEC).status_code == 201
    monkeypatch.delenv("DESCENT_JOB_MEMORY_BYTES")
    get_settings.cache_clear()
    limit = {"parameters": 1000}
    assert api.request("PATCH", f"/v1/projects/{api.project_id}", json={"quotas": limit}).status_code == 200
    over = api.post("/v1/jobs", json=wide)
    assert (over.status_code, over.json()["code"]) == (429, "quota_exceeded")
    seeds = {"spec": wide, "over": {"/seed": [1, 2]}, "objective": {"monitor": "train_loss", "mode": "min"}}
    assert api.post("/v1/sweeps", json=seeds).status_code == 429
    assert api.post("/v1/jobs", json=SPEC).status_code == 201


def test_a_dry_run_tells_what_the_spec_means(api: Api, worker: None, monkeypatch: pytest.MonkeyPatch) -> None:
    reply = api.post("/v1/jobs?dry_run=true", json=SPEC | {"seed": 7})
    assert reply.status_code == 200, reply.text
    told = reply.json()
    assert {"resolved_spec", "model", "groups", "warnings"} <= set(told)
    weights = 4 * 16 + 16 + 16 * 3 + 3
    assert (told["model"]["parameters"], told["model"]["trainable_parameters"]) == (weights, weights)
    assert (told["resolved_spec"]["seed"], told["resolved_spec"]["name"]) == (7, "iris")
    assert told["groups"][0]["lr"] == 0.02
    assert api.get("/v1/jobs").json()["data"] == []

    unmatched = {"type": "Adam", "lr": 0.02, "groups": [{"params": "nothing.*", "lr": 0.1}]}
    for query in ("", "?dry_run=true"):  # a submit is tried out too
        refused = api.post(f"/v1/jobs{query}", json=SPEC | {"optimizer": unmatched})
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["pointer"] == "/optimizer/groups/0/params"

    asked: list[str] = []
    monkeypatch.setattr(previews, "send", lambda kind, *_: asked.append(kind))
    for seed in range(3):  # the same question as before, whatever the seed
        assert api.post("/v1/jobs?dry_run=true", json=SPEC | {"seed": seed}).status_code == 200
    assert asked == []
