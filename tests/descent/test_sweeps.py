"""Sweeps, projects and keys through the client and the commands, against the real API."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from descent import Client
from descent.errors import NotFound, Unauthorized, WaitTimeout
from tests.descent.conftest import SPEC, Address
from tests.descent.test_cli import answer, descent

SWEEP = {"spec": SPEC, "over": {"/optimizer/lr": [0.1, 0.01], "/seed": {"range": [0, 2]}}}


def test_a_sweep_is_submitted_waited_for_and_cancelled(client: Client, end_job: Callable[..., None]) -> None:
    assert client.dry_run_sweep(SWEEP)["count"] == 4
    sweep = client.submit_sweep(SWEEP, idempotency_key="mine")
    assert client.submit_sweep(SWEEP, idempotency_key="mine")["id"] == sweep["id"]
    points = [(point["point"]["/optimizer/lr"], point["point"]["/seed"]) for point in sweep["points"]]
    assert points == [(0.1, 0), (0.1, 1), (0.01, 0), (0.01, 1)]
    assert [found["id"] for found in client.sweeps()] == [sweep["id"]]
    assert {job["id"] for job in client.jobs(sweep_id=sweep["id"])} == {point["job_id"] for point in sweep["points"]}
    with pytest.raises(WaitTimeout):
        client.wait_sweep(sweep, timeout=0)
    client.cancel_sweep(sweep)
    assert client.wait_sweep(sweep, timeout=5)["status"] == "cancelled"
    assert [row["value"] for row in client.sweep_table(sweep, by=["/optimizer/lr"], over=["/seed"])["rows"]] == [
        0.1,
        0.01,
    ]
    assert "value" in client.sweep_table_csv(sweep, by=["/optimizer/lr"], over=["/seed"]).splitlines()[0]


def test_the_commands_on_sweeps(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "sweep.json"
    file.write_text(json.dumps(SWEEP))
    assert descent("sweeps", "submit", str(file), "--dry-run").stdout == "4 points\n"
    made = answer("sweeps", "submit", str(file), "--set", "/over/~1seed=[0]")
    assert made["counts"]["points"] == 2
    assert answer("sweeps", "list")[0]["id"] == answer("sweeps", "show", "last")["id"] == made["id"]
    assert "/optimizer/lr 0.01" in descent("sweeps", "show", made["id"][:12]).stdout
    assert answer("sweeps", "cancel", "last")["status"] in ("running", "cancelled")
    assert answer("sweeps", "table", "last", "--by", "/optimizer/lr")["by"] == ["/optimizer/lr"]
    assert descent("sweeps", "watch", "last").exit_code == 1
    result = descent("submit", str(file))
    assert result.stderr == f"error: {file} is a sweep: descent sweeps submit {file}\n"
    job = tmp_path / "job.json"
    job.write_text('{"model": {"type": "MLP"}}')
    assert descent("sweeps", "submit", str(job)).stderr == f"error: {job} is a job's spec: descent submit {job}\n"


def test_projects_and_keys_are_made_and_revoked(client: Client, address: Address) -> None:
    project = client.create_project("vision", quotas={"jobs": 3})
    assert client.project(project["id"])["quotas"]["jobs"] == 3
    assert client.update_project(project["id"], name="sight")["name"] == "sight"
    assert "sight" in {found["name"] for found in client.projects()}
    key = client.create_key("ci", scopes=["read", "write"], projects=[project["id"]])
    with Client(address.url, key["secret"]) as other:
        job = other.submit(SPEC)
        with pytest.raises(NotFound):
            client.job(job)
        other.cancel(job)
    with Client(address.url, address.key, project=project["id"]) as inside:
        assert inside.job(job)["id"] == job["id"]
        inside.delete(job)
        assert next(inside.audit())["method"] == "DELETE"
    renewed = client.rotate_key(key["id"])
    with Client(address.url, key["secret"]) as old, pytest.raises(Unauthorized):
        old.jobs_page()
    client.revoke_key(key["id"])
    assert client.key(key["id"])["revoked_at"] is not None
    with Client(address.url, renewed["secret"]) as revoked, pytest.raises(Unauthorized):
        revoked.jobs_page()
    client.delete_project(project["id"])


def test_a_token_reads_its_jobs_alone(client: Client, address: Address) -> None:
    job, other = client.submit(SPEC), client.submit(SPEC)
    token = client.create_token([job["id"]], expires_in=60)
    with Client(address.url, token["secret"]) as reader:
        assert reader.job(job)["id"] == job["id"]
        with pytest.raises(NotFound):
            reader.job(other)
