"""Operators pause the queue: no claim in any project, what runs goes on, and every queued job says why it waits."""

from collections.abc import Callable
from threading import Thread
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.database import session_scope
from app.jobs import leases
from app.models import Job
from app.models.base import Base
from tests.app.conftest import Api

CLAIM: dict[str, Any] = {"queue": "cpu", "labels": [], "host": "h", "device": "cpu", "lease_seconds": 60}


def claim(worker: str) -> str | None:
    with session_scope("descent_worker") as session:
        claimed = leases.claim(session, worker_id=worker, **CLAIM)
    return None if claimed is None else claimed.lease.job_id


def test_a_paused_queue_starts_nothing_and_says_so(
    make_api: Callable[..., Api], add_worker: Callable[..., str], session: Session
) -> None:
    operator, theirs = make_api(everywhere=True), make_api("two")
    worker = add_worker()
    running, waiting = operator.submit()["id"], theirs.submit()["id"]
    assert claim(worker) == running
    tag = theirs.get(f"/v1/jobs/{waiting}").headers["etag"]

    paused = [operator.post("/v1/queue/pause") for _ in range(2)]
    assert [answer.status_code for answer in paused] == [200, 200]
    assert [answer.json()["data"][0]["reason"] for answer in paused] == ["queue_paused"] * 2
    assert paused[0].json()["paused_at"] == paused[1].json()["paused_at"] is not None
    job = theirs.get(f"/v1/jobs/{waiting}", headers={"if-none-match": tag}).json()
    assert (job["waiting"]["reason"], job["waiting"]["position"]) == ("queue_paused", 1)
    assert "paused the queue" in job["waiting"]["detail"]
    assert claim(worker) is None
    assert session.scalar(select(Job.status).where(Job.id == running)) == "running"

    resumed = operator.post("/v1/queue/resume").json()
    assert (resumed["paused_at"], resumed["data"][0]["reason"]) == (None, "backoff")
    assert theirs.get(f"/v1/jobs/{waiting}").json()["waiting"]["reason"] == "capacity"
    assert claim(worker) == waiting
    audit = Base.metadata.tables["audit"]
    paths = list(session.scalars(select(audit.c.path).where(audit.c.path.like("/v1/queue/%")).order_by(audit.c.id)))
    assert paths == ["/v1/queue/pause", "/v1/queue/pause", "/v1/queue/resume"]


def test_nobody_is_put_aside_for_jobs_that_may_not_start(
    make_api: Callable[..., Api], add_worker: Callable[..., str], session: Session
) -> None:
    operator = make_api(everywhere=True)
    worker = add_worker(slots=1)
    running = select(Job.request).where(Job.id == operator.submit()["id"])
    claim(worker)
    operator.submit(resources={"priority": 9})
    operator.post("/v1/queue/pause")
    with session_scope("descent_worker") as beside:
        assert leases.dispatch(beside) == []
        leases.share(beside, 0.0)
        assert beside.scalar(running) is None
    operator.post("/v1/queue/resume")
    with session_scope("descent_worker") as beside:
        leases.share(beside, 0.0)
        assert beside.scalar(running) == "preempt"


def test_a_pause_waits_for_the_claims_under_way(make_api: Callable[..., Api], add_worker: Callable[..., str]) -> None:
    operator = make_api(everywhere=True)
    worker = add_worker()
    operator.submit()
    with session_scope("descent_worker") as beside:
        assert leases.claim(beside, worker_id=worker, **CLAIM) is not None
        pausing = Thread(target=lambda: operator.post("/v1/queue/pause"))
        pausing.start()
        pausing.join(0.3)
        assert pausing.is_alive()
    pausing.join(60)
    assert not pausing.is_alive()
    queue = operator.get("/v1/queue").json()
    assert queue["paused_at"] is not None
    assert queue["data"][0]["running"] == 1
