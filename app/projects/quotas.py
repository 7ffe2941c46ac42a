"""What a project may use. What is not limited is not counted, but for `/v1/me`."""

import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.orm import Session

from app.errors import TooManyRequests
from app.jobs.lifecycle import ENDED, HOLDING_LEASE
from app.models import Checkpoint, Dataset, Job, Project, Weights

NAMES = (
    "jobs",  # that have not ended
    "running_jobs",  # honoured when a job is claimed
    "device_seconds_per_day",  # of attempts, from midnight UTC; honoured when a job is claimed
    "epochs",  # of one job
    "parameters",  # of one job's model
    "step_rows",  # of one job's step series
    "dataset_bytes",  # of uploads
    "storage_bytes",  # of checkpoints and uploaded weights
    "requests_per_minute",  # to one API process
)


def count_jobs(chosen: ColumnElement[bool]) -> Callable[[Session, str], float]:
    return lambda session, project_id: session.execute(
        select(func.count()).select_from(Job).where(Job.project_id == project_id, chosen)
    ).scalar_one()


def dataset_bytes(session: Session, project_id: str) -> float:
    total = select(func.coalesce(func.sum(Dataset.bytes), 0)).where(Dataset.project_id == project_id)
    return session.execute(total).scalar_one()


def storage_bytes(session: Session, project_id: str) -> float:
    """Checkpoints and uploaded weights; weights that are held for a fork are a checkpoint's own file."""
    saved = select(func.coalesce(func.sum(Checkpoint.bytes), 0)).where(Checkpoint.project_id == project_id)
    mine = (Weights.project_id == project_id, Weights.job_id.is_(None))
    uploaded = select(func.coalesce(func.sum(Weights.bytes), 0)).where(*mine)
    return session.execute(saved).scalar_one() + session.execute(uploaded).scalar_one()


def device_seconds_today(session: Session, project_id: str) -> float:
    return float(session.execute(text("SELECT device_seconds(:id, today())"), {"id": project_id}).scalar_one())


USED: dict[str, Callable[[Session, str], float]] = {
    "jobs": count_jobs(Job.status.not_in(ENDED)),
    "running_jobs": count_jobs(Job.status.in_(HOLDING_LEASE)),
    "device_seconds_per_day": device_seconds_today,
    "dataset_bytes": dataset_bytes,
    "storage_bytes": storage_bytes,
}
"""What is a sum over the project; the others are limits of one job or one minute."""


def used(session: Session, project_id: str, name: str) -> int:
    return int(USED[name](session, project_id))


def report(session: Session, project_id: str) -> dict[str, Any]:
    """Each quota that is limited or can be counted, with what is used of it."""
    limits = limits_of(session, project_id)
    return {
        name: {
            "limit": limits.get(name),
            "used": used(session, project_id, name) if name in USED else None,
        }
        for name in NAMES
        if name in USED or name in limits
    }


def limits_of(session: Session, project_id: str) -> dict[str, int]:
    found: dict[str, int] | None = session.scalar(select(Project.quotas).where(Project.id == project_id))
    return found or {}


def lock(session: Session, project_id: str) -> None:
    """Whoever counts against a limit of this project waits until the transaction ends."""
    session.execute(select(Project.id).where(Project.id == project_id).with_for_update(key_share=True))


def check_submit(
    session: Session, project_id: str, jobs: int, epochs: int, *, parameters: int | None = None, step_rows: int = 0
) -> None:
    """Raises TooManyRequests when `jobs` more of this size do not fit; submits of a limited project queue up.

    `parameters` None: nobody could count them; the worker does before it builds the model.
    """
    limits = limits_of(session, project_id)
    of_one_job = {"epochs": epochs, "parameters": parameters or 0, "step_rows": step_rows}
    for name, value in of_one_job.items():
        if name in limits and value > limits[name]:
            shown = name.replace("_", " ")
            detail = f"A job of this project has at most {limits[name]} {shown}; this one has {value}."
            raise TooManyRequests(detail, retry_after=3600)
    if "jobs" in limits:
        lock(session, project_id)
        if used(session, project_id, "jobs") + jobs > limits["jobs"]:
            raise TooManyRequests(f"This project has at most {limits['jobs']} jobs at a time.", retry_after=30)
    if "storage_bytes" in limits and used(session, project_id, "storage_bytes") >= limits["storage_bytes"]:
        raise TooManyRequests("The checkpoints and weights of this project fill its storage.", retry_after=3600)


def check_upload(session: Session, project_id: str, size: int, name: Literal["dataset_bytes", "storage_bytes"]) -> None:
    """Raises TooManyRequests when so many bytes more do not fit."""
    most = limits_of(session, project_id).get(name)
    if most is None:
        return
    lock(session, project_id)
    left = most - used(session, project_id, name)
    if size > left:
        what = {"dataset_bytes": "data sets", "storage_bytes": "checkpoints and weights"}[name]
        detail = f"The {what} of this project may have {most} bytes; {max(left, 0)} are left, this upload has {size}."
        raise TooManyRequests(detail, retry_after=3600)


def most_parameters(session: Session, project_id: str) -> int | None:
    """Of one job's model, for the worker that builds it: at the submit nobody may have been there to count them."""
    return limits_of(session, project_id).get("parameters")


def claim_fits(session: Session, project_id: str) -> bool:
    """Whether a claim that was just made stays within `running_jobs`; claims of a limited project queue up."""
    most = limits_of(session, project_id).get("running_jobs")
    if most is None:
        return True
    lock(session, project_id)
    return used(session, project_id, "running_jobs") <= most


def blocks(session: Session, project_ids: Iterable[str]) -> dict[str, str]:
    """Of the projects whose queued jobs must wait, one sentence why."""
    wanted = set(project_ids)
    found = {}
    for row in session.execute(text("SELECT project_id, quota, most FROM quota_blocks()")):
        if row.project_id in wanted:
            found[row.project_id] = sentence(row.quota, row.most)
    return found


def sentence(quota: str, most: int) -> str:
    if quota == "running_jobs":
        return f"The project runs {most} job{'s' * (most != 1)} at a time, and does."
    midnight = datetime.now(UTC).date() + timedelta(days=1)
    return f"The project has used its {most} device seconds of today; it goes on at {midnight}T00:00:00Z."


class Rates:
    """Token buckets, one for each project, in this process."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def take(self, project_id: str, per_minute: int) -> None:
        """Raises TooManyRequests once a minute's worth is used up faster than it comes back."""
        now = time.monotonic()
        with self._lock:
            left, at = self._buckets.get(project_id, (float(per_minute), now))
            left = min(float(per_minute), left + (now - at) * per_minute / 60)
            self._buckets[project_id] = (left - 1 if left >= 1 else left, now)
        if left < 1:
            seconds = int((1 - left) * 60 / per_minute) + 1 if per_minute else 60
            raise TooManyRequests(f"At most {per_minute} requests a minute.", retry_after=seconds)


rates = Rates()
