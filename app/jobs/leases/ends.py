"""How an attempt ends: by success, by a failure of the job's own, put aside on request, or interrupted."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.jobs.journal import Level, call_all, record_event
from app.jobs.leases.compare import verdict
from app.jobs.leases.epochs import forget_last
from app.jobs.leases.fence import Held, Lease, hold, seconds
from app.jobs.lifecycle import HOLDING_LEASE, Status, transition
from app.models import Attempt, Checkpoint, Epoch, Job
from app.settings import get_settings

BACKOFF_SECONDS = 2.0
LONGEST_BACKOFF_SECONDS = 60.0
DISK_FULL_SECONDS = 30.0
PREEMPTED_SECONDS = 2.0
"""How long a job that made room stays out of the queue: who it made room for goes first."""
QUEUED_AGAIN = {
    "preempted": ("preempted", "The job made room for another one and is back in the queue."),
    "quota": (
        "preempted",
        "The project has used its device seconds of today: the job is put aside until it may go on.",
    ),
    "epochs_changed": ("queued", "The job goes on with the number of epochs that is wanted now."),
}
PREEMPTED_FOR = {"requeue": "epochs_changed", "quota": "quota"}
"""By what the job was asked for."""
REST: dict[Status, Status] = {"running": "queued", "pausing": "paused", "cancelling": "cancelled"}
"""Where a job goes that is stopped without an outcome."""


def succeed(
    session: Session,
    lease: Lease,
    *,
    best: dict[str, Any] | None,
    test: dict[str, Any] | None,
    stopped: dict[str, Any] | None,
    last_epoch: int,
    epochs: int | None = None,
    reproduction: dict[str, Any] | None = None,
) -> None:
    """`epochs`: how many the attempt was to train; where a PATCH wants others by now, the job goes on.

    Raises LeaseLost.
    """
    hold(session, lease)
    wanted = session.scalar(select(Job.epochs).where(Job.id == lease.job_id)) or 0
    if epochs not in (None, wanted) and (stopped is None or last_epoch > wanted):
        forget_last(session, lease.job_id, last_epoch)
        put_aside(session, lease, "epochs_changed", f"{wanted} epochs are wanted by now")
        return
    # Rows of another history than the one that ended here: an environment that differs may have stopped earlier.
    session.execute(Epoch.__table__.delete().where(Epoch.job_id == lease.job_id, Epoch.epoch > last_epoch))  # type: ignore[attr-defined]
    if test is not None:
        test = {"loss": test["loss"], "metrics": test["metrics"], "checkpoint": _id_of(session, lease, test)}
    values = {"best": best, "test": test, "stopped": stopped, "error": None, "failures": 0}
    if reproduction is not None:
        values["reproduction"] = verdict(session, lease, reproduction)
    _end(session, lease, "succeeded", **values)
    reason = f" ({stopped['reason']} in epoch {stopped['epoch']})" if stopped else ""
    record_event(session, lease.job_id, "succeeded", f"The training has ended{reason}.", data={"stopped": stopped})
    close_attempt(session, lease.job_id, lease.attempt, "succeeded", None)


def _id_of(session: Session, lease: Lease, test: dict[str, Any]) -> str | None:
    path = f"jobs/{lease.job_id}/{test['checkpoint_path']}"
    return session.scalar(select(Checkpoint.id).where(Checkpoint.job_id == lease.job_id, Checkpoint.path == path))


def fail(session: Session, lease: Lease, error: dict[str, Any], best: dict[str, Any] | None = None) -> None:
    """The job's own fault: `error` is {"code", "message", "detail"}. Raises LeaseLost."""
    hold(session, lease)
    kept = {} if best is None else {"best": best}
    _end(session, lease, "failed", error=error, **kept)
    type = "diverged" if error["code"] == "diverged" else "failed"
    record_event(session, lease.job_id, type, error["message"], level="error", data={"error": error})
    close_attempt(session, lease.job_id, lease.attempt, "failed", f"{error['code']}: {error['message']}")


def _end(session: Session, lease: Lease, status: Status, **values: Any) -> None:
    transition(session, lease.job_id, HOLDING_LEASE, status, attempt=lease.attempt, **values)


def put_aside(session: Session, lease: Lease, cause: str, detail: str) -> None:
    """Stopped on request, not by a fault. Raises LeaseLost."""
    held = hold(session, lease)
    if cause == "preempted":
        cause = PREEMPTED_FOR.get(held.request or "", cause)
    values = {"available_at": func.now() + seconds(PREEMPTED_SECONDS)} if cause == "preempted" else {}
    status = rest(session, lease, held, **(values if held.status == "running" else {}))
    events: dict[Status, tuple[str, str]] = {
        "paused": ("paused", "The job is paused."),
        "cancelled": ("cancelled", "The job is cancelled."),
        "queued": QUEUED_AGAIN.get(cause, ("interrupted", "The job is put back into the queue.")),
    }
    type, message = events[status]
    cause = cause if status == "queued" else status
    saved = select(Checkpoint.id, Checkpoint.epoch, Checkpoint.step).join(
        Job, Job.latest_checkpoint_id == Checkpoint.id
    )
    checkpoint = session.execute(saved.where(Job.id == lease.job_id)).one_or_none()
    data = {"cause": cause, "detail": detail, "checkpoint": None, "epoch": 0, "step": 0}
    if checkpoint is not None:
        data |= {"checkpoint": checkpoint.id, "epoch": checkpoint.epoch, "step": checkpoint.step}
        message = f"{message} Its newest checkpoint is of step {checkpoint.step}."
    record_event(session, lease.job_id, type, message, data=data)
    close_attempt(session, lease.job_id, lease.attempt, cause, detail)


def rest(session: Session, lease: Lease, held: Held, **values: Any) -> Status:
    """running -> queued, pausing -> paused, cancelling -> cancelled."""
    new = REST[held.status]
    transition(session, lease.job_id, [held.status], new, attempt=lease.attempt, **values)
    return new


def wait_for_disk(session: Session, lease: Lease, error: dict[str, Any]) -> None:
    """The store takes no checkpoint or prepared data: nobody's fault, and nothing is counted. Raises LeaseLost.

    `error` is {"code": disk_full | checkpoint_failed, "message"}.
    """
    held, message = hold(session, lease), error["message"]
    trouble = "has no room" if error["code"] == "disk_full" else "cannot be written"
    detail = f"The store {trouble} ({message}). It is tried again every {DISK_FULL_SECONDS:.0f} s."
    later = func.now() + seconds(DISK_FULL_SECONDS)
    values = {"available_at": later, "waiting": waiting("disk_full", detail, held)} if held.status == "running" else {}
    rest(session, lease, held, **values)
    data = {"cause": "disk_full", "detail": message}
    record_event(session, lease.job_id, "interrupted", detail, level="warning", data=data)
    close_attempt(session, lease.job_id, lease.attempt, "disk_full", message)


def wait_for_environment(session: Session, lease: Lease, message: str, worker_id: str, refused: Sequence[str]) -> None:
    """The job may go on in the environment of its checkpoint only: it waits for another worker. Raises LeaseLost."""
    held = hold(session, lease)
    detail = f"It goes on in the same environment only (resources.resume_on), and {message}."
    why = waiting("environment", detail, held) | {"refused": [*refused, worker_id]}
    rest(session, lease, held, **({"waiting": why} if held.status == "running" else {}))
    data = {"cause": "environment", "detail": message, "worker": worker_id}
    record_event(session, lease.job_id, "interrupted", detail, level="warning", data=data)
    close_attempt(session, lease.job_id, lease.attempt, "environment", message)


def waiting(reason: str, detail: str, held: Held) -> dict[str, Any]:
    return {"reason": reason, "detail": detail, "since": held.now.isoformat()}


def interrupt(session: Session, job: Job | Lease, cause: str, detail: str) -> None:
    """An attempt lost to a fault: again soon, later when it recurs without progress, and at last not at all.

    Raises LeaseLost. `job` may be a locked row, for an attempt whose lease has expired.
    """
    settings = get_settings()
    lease = job if isinstance(job, Lease) else Lease(job.id, job.attempt, job.project_id, settings.lease_seconds)
    held = hold(session, lease)
    failures = held.failures + 1
    data = {"cause": cause, "detail": detail, "failures": failures}
    level: Level = "warning"
    if held.status != "running":
        status = rest(session, lease, held)
        cause = "cancelled" if status == "cancelled" else cause
        message = f"The attempt was lost ({detail}); the job is {status}, as it was asked to be."
    elif failures >= settings.max_attempts:
        message = f"{failures} attempts in a row were lost without progress; the last one: {detail}"
        _end(session, lease, "failed", failures=failures, error=exhausted(message, cause, failures))
        record_event(session, lease.job_id, "failed", message, level="error", data=data)
        close_attempt(session, lease.job_id, lease.attempt, cause, detail)
        return
    else:
        delay = backoff(failures)
        message = f"The attempt was lost: {detail}. The job is back in the queue."
        values: dict[str, Any] = {"failures": failures, "available_at": func.now() + seconds(delay)}
        if delay:
            why = f"Lost {failures} times without progress ({detail}); it is tried again after {delay:.0f} s."
            values["waiting"] = waiting("backoff", why, held)
        rest(session, lease, held, **values)
        call_all(session, session.execute(select(Job.queue).where(Job.id == lease.job_id)).scalar_one())
    record_event(session, lease.job_id, "interrupted", message, level=level, data=data)
    close_attempt(session, lease.job_id, lease.attempt, cause, detail)


def exhausted(message: str, cause: str, failures: int) -> dict[str, Any]:
    return {"code": "attempts_exhausted", "message": message, "detail": {"cause": cause, "attempts": failures}}


def backoff(failures: int) -> float:
    """Seconds: none after the first loss, then 2, 4, 8, … 60."""
    return 0.0 if failures < 2 else min(LONGEST_BACKOFF_SECONDS, BACKOFF_SECONDS * 2.0 ** (failures - 2))


def close_attempt(session: Session, job_id: str, attempt: int, cause: str, detail: str | None) -> None:
    where = (Attempt.job_id == job_id, Attempt.attempt == attempt)
    session.execute(update(Attempt).where(*where).values(ended_at=func.now(), cause=cause, detail=detail))
