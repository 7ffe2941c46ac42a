"""The lease's SQL on a real Postgres: who claims what, what a lost fence writes, what a sweep takes back."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from app.database import session_scope
from app.jobs import leases
from app.jobs.leases import Claimed, Group, LeaseLost
from app.jobs.leases.ends import backoff
from app.models import Attempt, Checkpoint, Epoch, Event, Job
from tests.worker.conftest import example, submit

QUADRATIC = example("quadratic-diverges", 10)


def claim(worker: str = "wrk_1", labels: tuple[str, ...] = ()) -> Claimed | None:
    with session_scope("descent_worker") as session:
        return leases.claim(
            session, queue="cpu", labels=labels, worker_id=worker, host="here", device="cpu", lease_seconds=60
        )


def claimed(worker: str = "wrk_1") -> Claimed:
    found = claim(worker)
    assert found is not None
    return found


def epoch(number: int, loss: float = 0.5) -> tuple[Any, dict[str, Any]]:
    columns = {
        "epoch": number,
        "phase": 0,
        "train_loss": loss,
        "validation_loss": None,
        "metrics": {},
        "learning_rates": [0.1],
        "gradient_norm": None,
        "samples": 1,
        "duration_seconds": 0.1,
        "samples_per_second": 10.0,
        "extra": None,
        "reported_at": time.monotonic(),
    }
    return "epoch", columns


def write(found: Claimed, *items: Any, **more: Any) -> leases.Written:
    with session_scope("descent_worker") as session:
        return leases.write(session, found.lease, Group(list(items), **more))


def expire(session: Session, job_id: str) -> None:
    session.execute(update(Job).where(Job.id == job_id).values(lease_until=text("now() - interval '1 second'")))
    session.commit()


def sweep() -> int:
    with session_scope("descent_worker") as worker:
        return leases.sweep(worker, 0.0)


def status(session: Session, job_id: str) -> str:
    session.expire_all()
    return str(session.scalar(select(Job.status).where(Job.id == job_id)))


def test_two_claims_at_once_never_take_the_same_job(database: str) -> None:
    jobs = {submit(QUADRATIC, ringing=False) for _ in range(8)}
    start = threading.Barrier(8)

    def claim_at_once(number: int) -> str | None:
        start.wait()
        found = claim(f"wrk_{number}")
        return found and found.lease.job_id

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(claim_at_once, range(8)))
    assert sorted(filter(None, taken)) == sorted(jobs)
    assert claim() is None


def test_priority_then_the_project_with_less_then_age(database: str) -> None:
    first, second = (submit(QUADRATIC, ringing=False) for _ in range(2))
    other = submit(QUADRATIC, project="prj_b", ringing=False)
    urgent = submit(QUADRATIC, ringing=False, priority=5)
    submit(QUADRATIC, ringing=False, labels=["large"])
    found = [claim() for _ in range(5)]
    assert [one and one.lease.job_id for one in found] == [urgent, other, first, second, None]
    labelled = claim(labels=("large", "eu"))
    assert labelled is not None


def test_a_lost_fence_writes_nothing(session: Session) -> None:
    job_id = submit(QUADRATIC, ringing=False)
    zombie = claimed()
    expire(session, job_id)
    assert sweep() == 1
    heir = claimed("wrk_2")
    assert heir.lease.attempt == 2
    with pytest.raises(LeaseLost):
        write(zombie, epoch(1))
    for end in (
        lambda s: leases.succeed(s, zombie.lease, best=None, test=None, stopped=None, last_epoch=1),
        lambda s: leases.put_aside(s, zombie.lease, "drained", ""),
        lambda s: leases.interrupt(s, zombie.lease, "hung", ""),
    ):
        with pytest.raises(LeaseLost), session_scope("descent_worker") as worker:
            end(worker)
    assert session.scalar(select(Epoch)) is None
    assert status(session, job_id) == "running"
    assert session.scalars(select(Attempt.cause).order_by(Attempt.attempt)).all() == ["worker_lost", None]


@pytest.mark.parametrize(("held", "told"), [("running", ["queued", "resumed"]), ("cancelling", ["queued"])])
def test_a_start_is_not_told_after_the_request_to_stop(session: Session, held: str, told: list[str]) -> None:
    job_id = submit(QUADRATIC, ringing=False)
    found = claimed()
    session.execute(update(Job).where(Job.id == job_id).values(status=held))
    session.commit()
    event = {"type": "resumed", "level": "info", "message": "", "data": {}, "reported_at": time.monotonic()}
    write(found, ("event", event))
    assert session.scalars(select(Event.type).where(Event.job_id == job_id).order_by(Event.seq)).all() == told


def test_an_equal_row_keeps_its_seq_and_a_different_one_takes_a_new_one(session: Session) -> None:
    job_id = submit(QUADRATIC, ringing=False)
    write(claimed(), epoch(1), epoch(2, float("nan")), epoch(3))
    expire(session, job_id)
    sweep()
    before = dict(session.execute(select(Epoch.epoch, Epoch.seq)).all())  # type: ignore[arg-type]
    again = write(claimed(), epoch(1), epoch(2, float("nan")), epoch(3, 0.25), epoch(4))
    session.expire_all()
    rows = {row.epoch: row for row in session.scalars(select(Epoch))}
    assert again.compared == [1, 2, 3]
    assert [(d.number, d.column, d.recorded, d.repeated) for d in again.differences] == [(3, "train_loss", 0.5, 0.25)]
    assert [rows[1].seq, rows[2].seq] == [before[1], before[2]]
    assert (rows[3].train_loss, rows[3].attempt) == (0.25, 2)
    last = session.scalar(select(Job.last_seq))
    assert [rows[3].seq, rows[4].seq] == [last - 1, last]  # type: ignore[operator]


def gone_back(epoch: int, step: int) -> tuple[Any, dict[str, Any]]:
    columns = {"type": "rolled_back", "level": "warning", "message": "", "reported_at": time.monotonic()}
    return "event", columns | {"data": {"times": 1, "back_to": {"epoch": epoch, "step": step, "phase": 0}}}


def test_rows_that_the_training_has_gone_back_before_go(session: Session) -> None:
    """Those recorded, and those of the same group; a failure of the next attempt is compared with what stays."""
    submit(QUADRATIC, ringing=False)
    found = claimed()
    write(found, *(epoch(number) for number in (1, 2, 3)))
    write(found, epoch(4), gone_back(1, 1), epoch(2, 0.25))
    rows = session.execute(select(Epoch.epoch, Epoch.train_loss).order_by(Epoch.epoch)).all()
    assert rows == [(1, 0.5), (2, 0.25)]


def test_checkpoints_that_the_training_has_gone_back_before_go(session: Session) -> None:
    """A kill before the next one would have gone on with what was lost."""
    job_id = submit(QUADRATIC, ringing=False)
    found = claimed()
    write(found, *(checkpoint(number, is_best=number == 3) for number in (1, 2, 3, 4)), keep_last=9)
    session.execute(update(Checkpoint).where(Checkpoint.id == "ckpt_4").values(pinned=True))
    session.commit()
    written = write(found, checkpoint(5), gone_back(2, 20), keep_last=9)
    assert sorted(written.unlink) == ["jobs/j/a1/3", "jobs/j/a1/5"]
    assert set(session.scalars(select(Checkpoint.id))) == {"ckpt_1", "ckpt_2", "ckpt_4"}
    job = session.get_one(Job, job_id)
    assert (job.latest_checkpoint_id, job.best_checkpoint_id) == ("ckpt_2", None)
    kind, again = checkpoint(2, is_best=True)
    write(found, (kind, again | {"id": "ckpt_again", "path": "jobs/j/a1/again"}), keep_last=9)
    session.refresh(job)
    assert (job.latest_checkpoint_id, job.best_checkpoint_id) == ("ckpt_again", "ckpt_again")
    expire(session, job_id)
    sweep()
    assert [resume.id for resume in claimed().checkpoints] == ["ckpt_again", "ckpt_2", "ckpt_1"]


@pytest.mark.parametrize(("held", "rest"), [("running", "queued"), ("pausing", "paused"), ("cancelling", "cancelled")])
def test_a_sweep_puts_an_expired_lease_to_rest(session: Session, held: str, rest: str) -> None:
    job_id = submit(QUADRATIC, ringing=False)
    claimed()
    session.execute(update(Job).where(Job.id == job_id).values(status=held))
    session.commit()
    assert sweep() == 0
    expire(session, job_id)
    with session_scope("descent_worker") as worker:
        assert leases.sweep(worker, 1e6) == 0  # the server has not been up for a lease's time
    assert sweep() == 1
    assert status(session, job_id) == rest
    assert session.scalars(select(Event.type).order_by(Event.seq)).all() == ["queued", "interrupted"]


def test_attempts_without_progress_are_counted_until_they_are_exhausted(session: Session) -> None:
    job_id = submit(QUADRATIC, ringing=False)
    for lost in range(1, 6):
        found = claimed()
        if lost == 2:
            write(found, epoch(1))  # that is progress
        with session_scope("descent_worker") as worker:
            leases.interrupt(worker, found.lease, "trainer_died", "killed by SIGKILL")
        session.execute(update(Job).values(available_at=text("now()")))
        session.commit()
        assert session.scalar(select(Job.failures)) == (lost if lost == 1 else lost - 1)
    found = claimed()
    with session_scope("descent_worker") as worker:
        leases.interrupt(worker, found.lease, "trainer_died", "killed by SIGKILL")
    assert status(session, job_id) == "failed"
    error = session.scalar(select(Job.error))
    assert error is not None
    assert error["code"] == "attempts_exhausted"
    assert [backoff(n) for n in (1, 2, 3, 4, 20)] == [0, 2, 4, 8, 60]


def test_checkpoints_that_are_neither_new_nor_best_nor_pinned_give_way(session: Session) -> None:
    job_id = submit(QUADRATIC, ringing=False)
    found = claimed()
    for step in range(1, 7):
        columns = {
            "id": f"ckpt_{step}",
            "epoch": step,
            "step": step,
            "bytes": 1,
            "sha256": "0",
            "reason": "interval",
            "is_best": step == 2,
            "path": f"jobs/{job_id}/{step}",
            "values": {},
            "reported_at": time.monotonic(),
        }
        written = write(found, ("checkpoint", columns), keep_last=2)
        session.execute(update(Checkpoint).where(Checkpoint.id == "ckpt_1").values(pinned=True))
        session.commit()
    assert written.unlink == [f"jobs/{job_id}/4"]
    session.expire_all()
    job = session.scalars(select(Job)).one()
    assert (job.latest_checkpoint_id, job.best_checkpoint_id) == ("ckpt_6", "ckpt_2")
    kept = session.scalars(select(Checkpoint.id).order_by(Checkpoint.step)).all()
    assert kept == ["ckpt_1", "ckpt_2", "ckpt_5", "ckpt_6"]


def test_the_server_knows_what_became_of_a_commit(database: str) -> None:
    with session_scope("descent_worker") as session:
        done = leases.transaction_id(session)
    with session_scope("descent_worker") as session:
        undone = leases.transaction_id(session)
        session.rollback()
    with session_scope("descent_worker") as session:
        assert (leases.committed(session, done), leases.committed(session, undone)) == (True, False)
        assert leases.committed(session, leases.transaction_id(session)) is None


def checkpoint(number: int, *, is_best: bool = False) -> tuple[Any, dict[str, Any]]:
    columns = {"id": f"ckpt_{number}", "epoch": number, "step": 10 * number, "bytes": 1, "sha256": "", "values": {}}
    path = f"jobs/j/a1/{number}"
    return "checkpoint", columns | {"path": path, "reason": "interval", "is_best": is_best, "reported_at": 0.0}


def test_the_last_the_best_and_the_pinned_checkpoints_stay(session: Session) -> None:
    job_id = submit(QUADRATIC, ringing=False)
    found = claimed()
    assert write(found, checkpoint(1), checkpoint(2, is_best=True), keep_last=2).unlink == []
    session.execute(update(Checkpoint).where(Checkpoint.id == "ckpt_1").values(pinned=True))
    session.commit()
    assert write(found, checkpoint(3), keep_last=2).unlink == []
    assert write(found, checkpoint(4), keep_last=2).unlink == []
    assert write(found, checkpoint(5, is_best=True), keep_last=2).unlink == ["jobs/j/a1/2", "jobs/j/a1/3"]
    assert set(session.scalars(select(Checkpoint.id))) == {"ckpt_1", "ckpt_4", "ckpt_5"}
    job = session.get_one(Job, job_id)
    assert (job.latest_checkpoint_id, job.best_checkpoint_id) == ("ckpt_5", "ckpt_5")
    assert write(found, checkpoint(6), keep_last=1).unlink == ["jobs/j/a1/4"]  # the best one of before stays
    assert write(found, checkpoint(3), keep_last=2).unlink == []  # neither the latest nor the best


def test_older_checkpoints_give_way_where_none_is_the_best(session: Session) -> None:
    job_id = submit(QUADRATIC, ringing=False)
    found = claimed()
    for number in (1, 2):
        assert write(found, checkpoint(number), keep_last=2).unlink == []
    assert write(found, checkpoint(3), keep_last=2).unlink == ["jobs/j/a1/1"]
    assert session.get_one(Job, job_id).best_checkpoint_id is None
