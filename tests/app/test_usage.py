"""Usage, and retention by age."""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.ids import new_id
from app.models import Attempt, Checkpoint
from app.projects.retention import expire
from tests.app.conftest import SPEC, Api


def add_attempt(session: Session, api: Api, job: str, began: str, ended: str | None, devices: int = 1) -> None:
    row = {
        "devices": devices,
        "job_id": job,
        "project_id": api.project_id,
        "worker_id": "w",
        "host": "h",
        "device": "cpu",
    }
    times = {"started_at": text(began), "ended_at": None if ended is None else text(ended)}
    number = session.execute(text("SELECT count(*) FROM attempt")).scalar_one() + 1
    session.add(Attempt(attempt=number, **row, **times))
    session.commit()


def add_checkpoint(session: Session, api: Api, job: str, size: int, *, pinned: bool = False) -> None:
    row = {"seq": 100 + size, "epoch": 1, "step": 1, "attempt": 1, "path": f"jobs/{job}/x", "sha256": "0", "values": {}}
    whose = {"id": new_id("ckpt"), "job_id": job, "project_id": api.project_id}
    session.add(Checkpoint(**whose, **row, bytes=size, reason="final", pinned=pinned))
    session.commit()


def test_usage_by_project_key_and_job(api: Api, make_api: Callable[..., Api], session: Session) -> None:
    other = make_api("two")
    other.submit()
    first, second = api.submit()["id"], api.submit()["id"]
    add_attempt(session, api, first, "timestamptz '2026-01-02'", "timestamptz '2026-01-02 00:01:00'")
    add_attempt(session, api, first, "timestamptz '2026-01-03'", "timestamptz '2026-01-03 00:00:15'", devices=2)
    add_attempt(session, api, second, "timestamptz '2025-12-31'", "timestamptz '2026-01-01 00:00:05'")
    add_attempt(session, api, second, "timestamptz '2027-01-01'", None)
    add_checkpoint(session, api, first, 70)
    add_checkpoint(session, api, first, 7)
    january = {"from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z"}
    whole = api.get("/v1/usage", params=january).json()
    assert (whole["by"], whole["from"], len(whole["data"])) == ("project", january["from"], 1)
    project = whole["data"][0]
    assert (project["project_id"], project["device_seconds"], project["attempts"]) == (api.project_id, 95.0, 3)
    assert (project["checkpoint_bytes"], project["jobs"]) == (77, 2)
    jobs = api.get("/v1/usage", params={**january, "by": "job"}).json()["data"]
    assert [(row["job_id"], row["device_seconds"]) for row in jobs] == [(second, 5.0), (first, 90.0)]
    keys = api.get("/v1/usage", params={**january, "by": "key"}).json()["data"]
    assert [(row["key_id"], row["device_seconds"]) for row in keys] == [(api.get("/v1/me").json()["id"], 95.0)]
    page = api.get("/v1/usage", params={**january, "by": "job", "limit": 1}).json()
    assert (page["has_more"], page["data"][0]["job_id"]) == (True, second)
    wrong = api.get("/v1/usage", params={"from": january["to"], "to": january["from"]})
    assert wrong.status_code == 422


def test_what_is_too_old_goes_but_for_what_is_pinned(
    api: Api, make_api: Callable[..., Api], session: Session, end_job: Callable[..., None], store: Path
) -> None:
    other = make_api("two")
    old, pinned, young, queued = (api.submit()["id"] for _ in range(4))
    theirs = other.submit()["id"]
    sweep = {"spec": SPEC, "over": {"/seed": [1, 2]}, "objective": {"monitor": "train_loss", "mode": "min"}}
    swept = api.post("/v1/sweeps", json=sweep).json()
    points = [point["job_id"] for point in swept["points"]]
    for job in (old, pinned, young, *points):
        end_job(job)
        (store / "jobs" / job).mkdir(parents=True)
    end_job(theirs)
    add_checkpoint(session, api, old, 1)
    add_checkpoint(session, api, pinned, 2, pinned=True)
    session.execute(text("UPDATE sweep SET created_at = now() - interval '8 days'"))
    session.execute(text("UPDATE job SET finished_at = now() - interval '8 days' WHERE id <> :young"), {"young": young})
    session.commit()
    assert expire() == 0
    changed = api.request("PATCH", f"/v1/projects/{api.project_id}", json={"retention_days": 7})
    assert changed.json()["retention_days"] == 7
    assert expire() == 3
    assert [api.get(f"/v1/jobs/{job}").status_code for job in (old, pinned, young, queued)] == [404, 200, 200, 200]
    assert other.get(f"/v1/jobs/{theirs}").status_code == 200
    assert api.get(f"/v1/sweeps/{swept['id']}").status_code == 404
    assert sorted(path.name for path in (store / "jobs").iterdir()) == sorted([pinned, young])
    assert expire() == 0
