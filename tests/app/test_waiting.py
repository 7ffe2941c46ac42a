"""The sentences that a queued job says, worked out from rows."""

from typing import Any

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from app.ids import new_id
from app.jobs import waiting
from app.jobs.repository import JOB
from app.models import Installation, Job, Project, Worker


@pytest.fixture
def job(session: Session) -> str:
    session.add(Project(id="prj_a", name="a"))
    session.flush()
    values: dict[str, Any] = {"spec": {}, "resolved_spec": {}, "spec_sha256": "", "seed": 0, "queue": "cpu"}
    job_id = new_id("job")
    session.add(Job(id=job_id, project_id="prj_a", status="queued", labels=[], epochs=1, progress={}, **values))
    session.flush()
    return job_id


def add_worker(session: Session, heard_of: str = "now()", **columns: Any) -> None:
    fixed = {"host": "h", "pid": 1, "queue": "cpu", "device": "cpu", "slots": 2, "labels": [], "state": "active"}
    session.add(Worker(id=new_id("wrk"), heartbeat_at=text(heard_of), **fixed | columns))
    session.flush()


def said(session: Session, job_id: str) -> dict[str, Any]:
    rows = session.execute(select(JOB).where(JOB.c.id == job_id)).mappings().all()
    return waiting.explain(session, rows)[job_id]


def test_capacity(session: Session, job: str) -> None:
    add_worker(session)
    found = said(session, job)
    assert (found["reason"], found["position"]) == ("capacity", 1)
    assert found["detail"] == "Number 1 in the queue 'cpu', which has 2 slots."


def test_a_silent_worker_is_not_counted_upon(session: Session, job: str) -> None:
    add_worker(session, "now() - interval '12 seconds'")
    found = said(session, job)
    assert (found["reason"], found["detail"]) == ("no_worker", "No worker of the queue 'cpu' was heard of for 12 s.")
    add_worker(session)
    assert said(session, job)["reason"] == "capacity"


def test_workers_that_have_not_come_back_to_the_database(session: Session, job: str) -> None:
    """The server of the tests may have started long ago: a function of that name before its own tells otherwise."""
    session.execute(text("CREATE SCHEMA just_now"))
    just_now = "LANGUAGE sql STABLE AS $$ SELECT now() - interval '5 seconds' $$"
    session.execute(text(f"CREATE FUNCTION just_now.pg_postmaster_start_time() RETURNS timestamptz {just_now}"))
    session.execute(text("SET LOCAL search_path = just_now, pg_catalog, public"))
    add_worker(session, "now() - interval '1 minute'", queue="cuda")
    assert said(session, job)["reason"] == "no_worker"
    add_worker(session, "now() - interval '1 minute'")
    found = said(session, job)
    assert found["reason"] == "database"
    started_at = session.execute(select(func.now() - text("interval '5 seconds'"))).scalar_one()
    assert found["detail"].startswith(f"The database was away until {started_at:%H:%M:%S} UTC")
    assert found["since"] == started_at
    add_worker(session)
    assert said(session, job)["reason"] == "capacity"


@pytest.mark.parametrize("reason", ["disk_full", "environment"])
def test_what_the_last_attempt_waits_for(session: Session, job: str, reason: str) -> None:
    add_worker(session)
    stored = {"reason": reason, "detail": "A sentence.", "since": "2026-01-01T00:00:00+00:00"}
    session.execute(update(Job).values(waiting=stored))
    found = said(session, job)
    assert (found["reason"], found["detail"], found["since"].year) == (reason, "A sentence.", 2026)
    session.execute(update(Installation).values(queue_paused_at=text("now()")))
    found = said(session, job)  # both have a time, and the later one counts
    assert found["reason"] == "queue_paused"
    assert found["since"] > session.execute(select(func.now() - text("interval '1 minute'"))).scalar_one()


def test_backoff_ends_with_its_time(session: Session, job: str) -> None:
    add_worker(session)
    stored = {"reason": "backoff", "detail": "Lost 2 times.", "since": "2026-01-01T00:00:00+00:00"}
    session.execute(update(Job).values(waiting=stored, available_at=text("now() + interval '1 minute'")))
    assert said(session, job)["reason"] == "backoff"
    session.execute(update(Job).values(available_at=text("now() - interval '1 second'")))
    assert said(session, job)["reason"] == "capacity"
