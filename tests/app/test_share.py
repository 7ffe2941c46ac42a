"""Who makes room for whom: decisions on rows, without a worker."""

import math
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.ids import new_id
from app.jobs import leases
from app.models import Attempt, Job, Project, Worker

SLICE = 300.0


@pytest.fixture
def add_job(session: Session) -> Callable[..., str]:
    """add_job("a"): a queued job of project a; with `ran`, one that has run for so many seconds on `worker`."""

    def add(project: str, ran: float | None = None, worker: str = "w", **columns: Any) -> str:
        if session.get(Project, project) is None:
            session.add(Project(id=project, name=project))
            session.flush()
        job_id = new_id("job")
        values: dict[str, Any] = {"spec": {}, "resolved_spec": {}, "spec_sha256": "", "seed": 0, "queue": "cpu"}
        values |= {"labels": [], "epochs": 1, "progress": {}, "status": "queued"}
        if ran is not None:
            values |= {"status": "running", "worker_id": worker, "lease_until": func.now(), "attempt": 1}
        session.add(Job(id=job_id, project_id=project, **values | columns))
        session.flush()
        if ran is not None:
            session.add(Attempt(job_id=job_id, attempt=1, project_id=project, worker_id=worker, host="h", device="cpu"))
            session.flush()
            age = text("UPDATE attempt SET started_at = now() - make_interval(secs => :ran) WHERE job_id = :id")
            session.execute(age, {"ran": ran, "id": job_id})
        return job_id

    return add


@pytest.fixture
def slots(session: Session) -> Callable[..., None]:
    def add(count: int, worker: str = "w", labels: tuple[str, ...] = ()) -> None:
        values = {"host": "h", "pid": 1, "queue": "cpu", "device": "cpu", "state": "active"}
        session.add(Worker(id=worker, slots=count, labels=list(labels), **values))
        session.flush()

    return add


def asked(session: Session) -> set[str]:
    leases.share(session, SLICE)
    return set(session.scalars(select(Job.id).where(Job.request == "preempt")))


def test_an_idle_project_gets_a_slot_after_a_slice(session: Session, add_job: Any, slots: Any) -> None:
    slots(2)
    longest, _ = add_job("a", 400), add_job("a", 310)
    add_job("a")
    assert asked(session) == set()
    add_job("b")
    assert asked(session) == {longest}
    assert asked(session) == {longest}  # a slot is on its way: nobody else is asked


def test_nobody_is_asked_before_its_slice_or_below_its_share(session: Session, add_job: Any, slots: Any) -> None:
    slots(2)
    add_job("a", 200), add_job("b", 4000)
    add_job("a"), add_job("b")
    assert asked(session) == set()
    add_job("c")  # with three projects, each has two thirds of a slot
    assert len(asked(session)) == 1


def test_it_is_looked_again_when_a_slice_ends(session: Session, add_job: Any, slots: Any) -> None:
    slots(2)
    add_job("a", 200), add_job("a", 295)
    assert leases.share(session, SLICE) == math.inf  # nobody waits
    add_job("b")
    assert 4 < leases.share(session, SLICE) <= 5


def test_a_free_slot_is_taken_first(session: Session, add_job: Any, slots: Any) -> None:
    slots(2)
    add_job("a", 4000)
    add_job("b", priority=9)
    assert asked(session) == set()


def test_priority_needs_no_slice_and_no_share(session: Session, add_job: Any, slots: Any) -> None:
    slots(3)
    lowest = add_job("a", 11, priority=1)
    add_job("a", 4000, priority=2)
    add_job("a", 5, priority=0)  # has only just begun
    add_job("a", priority=3)
    assert asked(session) == {lowest}


def test_nobody_makes_room_for_less_urgent_ones(session: Session, add_job: Any, slots: Any) -> None:
    slots(1)
    add_job("a", 4000, priority=5)
    add_job("b", priority=4)
    assert asked(session) == set()


def test_who_waits_must_fit_the_worker(session: Session, add_job: Any, slots: Any) -> None:
    slots(1)
    slots(1, "big", ("big",))
    add_job("a", 4000)
    fitting = add_job("a", 500, worker="big")
    add_job("b", labels=["big"])
    assert asked(session) == {fitting}


def test_short_jobs_go_first_but_for_a_slice_at_most(session: Session, add_job: Any, slots: Any) -> None:
    session.execute(text("SELECT 1"))
    first = add_job("a", work_seconds=86400.0, available_at=text("now() - interval '10 seconds'"))
    short = add_job("a", work_seconds=5.0)

    def claimed() -> str | None:
        found = leases.claim(session, queue="cpu", labels=[], worker_id="w", host="h", device="cpu", lease_seconds=60)
        return None if found is None else found.lease.job_id

    columns = {"resolved_spec": {"training": {}, "checkpoint": {"keep_last": 2, "keep_best": None}}}
    session.execute(Job.__table__.update().values(**columns))  # type: ignore[attr-defined]
    assert claimed() == short
    later = add_job("a", work_seconds=5.0, available_at=text("now()"), **columns)
    aged = text("UPDATE job SET available_at = now() - interval '400 seconds' WHERE id = :id")
    session.execute(aged, {"id": first})
    assert [claimed(), claimed()] == [first, later]


def test_who_has_used_its_quota_is_put_aside(session: Session, add_job: Any, slots: Any) -> None:
    slots(3)
    over, within, unlimited = add_job("a", 11), add_job("b", 9), add_job("c", 4000)
    for project in ("a", "b"):
        session.get_one(Project, project).quotas = {"device_seconds_per_day": 10}
    session.flush()
    leases.share(session, SLICE)
    requests = dict(session.execute(select(Job.id, Job.request)).all())  # type: ignore[arg-type]
    assert requests == {over: "quota", within: None, unlimited: None}


def test_a_quota_of_jobs_stops_none_that_runs(session: Session, add_job: Any, slots: Any) -> None:
    slots(2)
    add_job("a", 4000)
    session.get_one(Project, "a").quotas = {"running_jobs": 0}
    session.flush()
    leases.share(session, SLICE)
    assert session.scalars(select(Job.request)).all() == [None]
