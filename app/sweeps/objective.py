"""What the points have achieved by the sweep's objective, read from their epoch rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Double, and_, cast, func, literal, select
from sqlalchemy.orm import Session

from app.models import Epoch, Job

FINITE = (literal("NaN").cast(Double), literal("Infinity").cast(Double), literal("-Infinity").cast(Double))


@dataclass(frozen=True)
class Best:
    """The best finite value, and the first epoch that had it."""

    value: float
    epoch: int


@dataclass(frozen=True)
class Reached:
    """The first epoch as good as the target, and the seconds of training up to its end."""

    epoch: int
    seconds: float


def monitored(monitor: str) -> ColumnElement[Any]:
    """The number of that name in an epoch row; NULL where there is none."""
    if monitor in ("train_loss", "validation_loss"):
        return Epoch.__table__.c[monitor]
    if monitor == "ema_validation_loss":
        return cast(Epoch.extra[monitor].as_string(), Double)
    return cast(Epoch.metrics[monitor].as_string(), Double)


def best_values(session: Session, sweep_id: str, objective: Mapping[str, str]) -> dict[str, Best]:
    """Of each job of the sweep that has one."""
    value = monitored(objective["monitor"])
    order = value.asc() if objective["mode"] == "min" else value.desc()
    place = func.row_number().over(partition_by=Epoch.job_id, order_by=(order, Epoch.epoch))
    rows = (
        select(Epoch.job_id, value.label("value"), Epoch.epoch, place.label("place"))
        .join(Job, Job.id == Epoch.job_id)
        .where(Job.sweep_id == sweep_id, value.not_in(FINITE))
        .subquery()
    )
    statement = select(rows.c.job_id, rows.c.value, rows.c.epoch).where(rows.c.place == 1)
    return {job_id: Best(value, epoch) for job_id, value, epoch in session.execute(statement)}


def best_until(session: Session, job_ids: Sequence[str], epoch: int, objective: Mapping[str, str]) -> dict[str, float]:
    """The best finite value of each job up to an epoch."""
    value = monitored(objective["monitor"])
    best = func.min(value) if objective["mode"] == "min" else func.max(value)
    chosen = and_(Epoch.job_id.in_(job_ids), Epoch.epoch <= epoch, value.not_in(FINITE))
    statement = select(Epoch.job_id, best.label("best")).where(chosen).group_by(Epoch.job_id)
    return {row.job_id: row.best for row in session.execute(statement)}


def times_to(session: Session, sweep_id: str, objective: Mapping[str, str], target: float) -> dict[str, Reached]:
    """When each job first was as good as the target; left out where it never was."""
    value = monitored(objective["monitor"])
    good = value <= target if objective["mode"] == "min" else and_(value >= target, value != FINITE[0])
    rows = (
        select(
            Epoch.job_id,
            Epoch.epoch,
            good.label("good"),
            func.sum(Epoch.duration_seconds).over(partition_by=Epoch.job_id, order_by=Epoch.epoch).label("seconds"),
        )
        .join(Job, Job.id == Epoch.job_id)
        .where(Job.sweep_id == sweep_id)
        .subquery()
    )
    first = select(rows.c.job_id, func.min(rows.c.epoch), func.min(rows.c.seconds))
    statement = first.where(rows.c.good).group_by(rows.c.job_id)
    return {job_id: Reached(epoch, seconds) for job_id, epoch, seconds in session.execute(statement)}
