"""The job, its list, and its moves over HTTP."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, text, update
from sqlalchemy.orm import Session

from app.models import Job
from tests.app.conftest import Api

UNKNOWN = "job_" + "0" * 26


def test_an_unchanged_job_is_304_and_a_changed_one_is_not(api: Api, run_job: Callable[..., None]) -> None:
    job = api.submit()
    path = f"/v1/jobs/{job['id']}"
    tag = api.get(path).headers["etag"]
    unchanged = api.get(path, headers={"if-none-match": tag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    run_job(job["id"])
    assert api.get(path, headers={"if-none-match": tag}).status_code == 200


def test_a_list_goes_from_page_to_page(api: Api) -> None:
    ids = []
    for seed in range(5):
        ids.append(api.submit(seed=seed)["id"])
        time.sleep(0.002)  # ids sort by the millisecond
    newest_first = ids[::-1]
    first = api.get("/v1/jobs?limit=2").json()
    assert [job["id"] for job in first["data"]] == newest_first[:2]
    assert (first["object"], first["has_more"]) == ("list", True)
    assert (first["first_id"], first["last_id"]) == (newest_first[0], newest_first[1])
    assert "spec" not in first["data"][0]
    rest = api.get(f"/v1/jobs?after={first['last_id']}&view=full").json()
    assert [job["id"] for job in rest["data"]] == newest_first[2:]
    assert not rest["has_more"]
    assert rest["data"][0]["spec"]["seed"] == 2
    assert [job["id"] for job in api.get("/v1/jobs?order=asc").json()["data"]] == ids


def test_a_list_is_narrowed(api: Api, end_job: Callable[..., None]) -> None:
    a, b, c = (api.submit(name=f"run {i}%", metadata={"team": "ab"[i % 2], "n": str(i)}) for i in range(3))
    end_job(a["id"], "failed")
    end_job(b["id"], "succeeded")

    def found(query: str) -> set[str]:
        return {job["id"] for job in api.get(f"/v1/jobs?{query}").json()["data"]}

    assert found("status=failed") == {a["id"]}
    assert found("status=failed&status=queued") == {a["id"], c["id"]}
    assert found("metadata[team]=a") == {a["id"], c["id"]}
    assert found("metadata[team]=a&metadata[n]=2") == {c["id"]}
    assert found("q=RUN 1") == {b["id"]}
    assert found("q=%25") == {a["id"], b["id"], c["id"]}
    assert found(f"q={a['id']}") == {a["id"]}
    assert found("sweep_id=swp_x") == set()


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "order=up", "status=asleep", "view=half", "q=%00", "metadata[a]=%00", "after=%00"]
)
def test_a_wrong_parameter_is_refused(api: Api, query: str) -> None:
    reply = api.get(f"/v1/jobs?{query}")
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["pointer"].startswith("/query/")


@pytest.mark.parametrize("path", [UNKNOWN, "job_%00", "x", UNKNOWN + "/epochs", UNKNOWN + "/checkpoints/latest"])
def test_what_is_not_there_is_404(api: Api, path: str) -> None:
    reply = api.get(f"/v1/jobs/{path}")
    assert (reply.status_code, reply.json()["code"]) == (404, "not_found")


def test_waiting_says_why(api: Api, session: Session, add_worker: Callable[..., str]) -> None:
    first, second = api.submit(), api.submit(resources={"labels": ["a100"]})
    add_worker("cpu")

    def waiting(job: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = api.get(f"/v1/jobs/{job['id']}").json()["waiting"]
        return found

    assert (waiting(first)["reason"], waiting(first)["position"]) == ("capacity", 1)
    assert waiting(second)["reason"] == "no_worker"
    assert "a100" in waiting(second)["detail"]
    add_worker("cpu", labels=["a100"])
    assert (waiting(second)["reason"], waiting(second)["position"]) == ("capacity", 2)
    later = {
        "available_at": func.now() + text("interval '1 hour'"),
        "waiting": {"reason": "disk_full", "detail": "Full."},
    }
    session.execute(update(Job).where(Job.id == first["id"]).values(**later))
    session.commit()
    assert (waiting(first)["reason"], waiting(first)["detail"]) == ("disk_full", "Full.")


def test_a_dead_worker_is_no_worker(api: Api, session: Session, add_worker: Callable[..., str]) -> None:
    add_worker("cpu", heartbeat_at=func.now() - text("interval '1 hour'"))
    add_worker("cpu", state="gone")
    assert api.submit()["waiting"]["reason"] == "no_worker"


def test_progress_and_latest_come_from_the_newest_epoch(
    api: Api, session: Session, run_job: Callable[..., None], add_epoch: Callable[..., int]
) -> None:
    job = api.submit()
    run_job(job["id"])
    add_epoch(job["id"], 1)
    add_epoch(job["id"], 2, train_loss=float("nan"), metrics={"train_accuracy": "NaN"})
    told = {"progress": {"epoch": 2, "step": 10, "steps": 20, "phase": 0}}
    session.execute(update(Job).where(Job.id == job["id"]).values(**told))
    session.commit()
    shown = api.get(f"/v1/jobs/{job['id']}").json()
    assert shown["latest"]["epoch"] == 2
    assert shown["latest"]["train_loss"] == "NaN"
    assert (shown["progress"]["fraction"], shown["progress"]["eta_seconds"]) == (0.5, 1.0)
    assert api.get("/v1/jobs").json()["data"][0]["latest"] == shown["latest"]


def test_a_patch_changes_what_it_names(api: Api) -> None:
    job = api.submit()
    path = f"/v1/jobs/{job['id']}"
    changed = api.request("PATCH", path, json={"name": "new", "priority": 7, "metadata": {"a": "b"}})
    assert changed.status_code == 200
    shown = changed.json()
    assert (shown["name"], shown["priority"], shown["metadata"]) == ("new", 7, {"a": "b"})
    assert shown["version"] == job["version"] + 1
    assert changed.headers["etag"] == api.get(path).headers["etag"]
    assert api.request("PATCH", path, json={"name": None}).json()["name"] is None


def test_a_patch_of_an_old_version_is_412(api: Api) -> None:
    job = api.submit()
    path = f"/v1/jobs/{job['id']}"
    tag = api.get(path).headers["etag"]
    assert api.request("PATCH", path, json={"name": "x"}, headers={"if-match": tag}).status_code == 200
    assert api.request("PATCH", path, json={"name": "y"}, headers={"if-match": tag}).status_code == 412
    assert api.request("PATCH", path, json={"name": "y"}, headers={"if-match": "*"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"priority": 10}, "/priority"),
        ({"priority": "3"}, "/priority"),
        ({"priority": None}, "/priority"),
        ({"metadata": {"a": 1}}, "/metadata/a"),
        ({"metadata": {str(i): "v" for i in range(17)}}, "/metadata"),
        ({"status": "succeeded"}, "/status"),
        ({"name": "x" * 201}, "/name"),
        ([], ""),
    ],
)
def test_a_wrong_patch_is_refused(api: Api, body: Any, pointer: str) -> None:
    job = api.submit()
    reply = api.request("PATCH", f"/v1/jobs/{job['id']}", json=body)
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["pointer"] == pointer


def test_moves_from_the_queue(api: Api) -> None:
    job = api.submit()
    path = f"/v1/jobs/{job['id']}"

    def move(verb: str, **options: Any) -> tuple[int, str]:
        reply = api.post(f"{path}/{verb}", **options)
        return reply.status_code, reply.json().get("status")

    assert move("resume") == (200, "queued")
    assert move("pause") == (202, "paused")
    assert move("pause") == (200, "paused")
    assert move("resume") == (202, "queued")
    assert move("cancel") == (202, "cancelled")
    assert move("cancel") == (200, "cancelled")
    assert api.get(path).json()["finished_at"] is not None
    assert move("resume", json={}) == (202, "queued")
    types = [event["type"] for event in api.get(f"{path}/events").json()["data"]]
    assert types == ["queued", "paused", "queued", "cancelled", "queued"]


def test_moves_of_a_running_job_ask_its_worker(
    api: Api, session: Session, run_job: Callable[..., None], end_job: Callable[..., None]
) -> None:
    job = api.submit()
    path = f"/v1/jobs/{job['id']}"
    run_job(job["id"])
    assert api.post(f"{path}/pause").json()["status"] == "pausing"
    assert api.post(f"{path}/pause").status_code == 200
    conflict = api.post(f"{path}/resume")
    assert conflict.status_code == 409
    assert "pausing" in conflict.json()["detail"]
    assert api.post(f"{path}/cancel").json()["status"] == "cancelling"
    stored = session.get_one(Job, job["id"])
    assert stored.request == "cancel"
    assert api.request("DELETE", path).status_code == 409
    end_job(job["id"], "succeeded")
    for verb in ("cancel", "pause", "resume"):
        reply = api.post(f"{path}/{verb}")
        assert reply.status_code == 409
        assert "succeeded" in reply.json()["detail"]


def test_resume_at_a_checkpoint_must_name_one_of_the_job(api: Api) -> None:
    job = api.submit()
    api.post(f"/v1/jobs/{job['id']}/pause")
    body = {"checkpoint": "ckpt_" + "0" * 26}
    reply = api.post(f"/v1/jobs/{job['id']}/resume", json=body)
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "/checkpoint")


def test_an_ended_job_is_deleted_with_its_files(
    api: Api, store: Path, end_job: Callable[..., None], add_epoch: Callable[..., int]
) -> None:
    job = api.submit()
    add_epoch(job["id"], 1)
    folder = store / "jobs" / job["id"] / "a1"
    folder.mkdir(parents=True)
    end_job(job["id"])
    reply = api.request("DELETE", f"/v1/jobs/{job['id']}")
    assert (reply.status_code, reply.content) == (204, b"")
    assert not folder.exists()
    assert api.request("DELETE", f"/v1/jobs/{job['id']}").status_code == 404


def test_a_wait_ends_with_the_news(api: Api, run_job: Callable[..., None]) -> None:
    job = api.submit()
    timer = threading.Timer(0.4, run_job, [job["id"]])
    timer.start()
    started = time.monotonic()
    shown = api.get(f"/v1/jobs/{job['id']}?wait=20&since={job['version']}").json()
    assert 0.3 < time.monotonic() - started < 20
    assert shown["status"] == "running"
    assert shown["version"] > job["version"]
    timer.join()


def test_a_wait_without_news_ends_in_time(api: Api) -> None:
    job = api.submit()
    started = time.monotonic()
    assert api.get(f"/v1/jobs/{job['id']}?wait=0.3").json()["version"] == job["version"]
    assert 0.3 <= time.monotonic() - started < 30
    assert api.get(f"/v1/jobs/{job['id']}?wait=61").status_code == 422
