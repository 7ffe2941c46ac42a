"""ASHA's decisions as rows: each point is judged once at each rung, in the order in which the points came there."""

import math

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.jobs.lifecycle import transition_all
from app.models import Epoch, Job, Sweep, SweepRung
from app.sweeps import repository
from app.sweeps.asha import goes_on, place_among, rung_epochs
from app.sweeps.objective import best_until
from app.sweeps.repository import Row


def decide(session: Session, sweep: Row) -> None:
    """Judge the points that have come to a rung since the last time. The sweep's row is locked."""
    search = sweep["search"]
    longest = session.scalar(select(func.max(Job.epochs)).where(Job.sweep_id == sweep["id"]))
    for epoch in rung_epochs(search["min_epochs"], search["reduction_factor"], longest or 0):
        judge(session, sweep, epoch)


def judge(session: Session, sweep: Row, epoch: int) -> None:
    arrived = arrivals(session, sweep["id"], epoch)
    if not arrived:
        return
    objective, factor = sweep["objective"], sweep["search"]["reduction_factor"]
    values = best_until(session, arrived, epoch, objective)
    here = SweepRung.sweep_id == sweep["id"], SweepRung.epoch == epoch
    earlier = list(session.scalars(select(SweepRung.value).where(*here)))
    for job_id in arrived:
        value = values.get(job_id, math.nan)
        place, reached = place_among(value, earlier, objective["mode"]), len(earlier) + 1
        verdict = SweepRung(
            job_id=job_id,
            epoch=epoch,
            sweep_id=sweep["id"],
            project_id=sweep["project_id"],
            value=value,
            place=place,
            reached=reached,
            goes_on=goes_on(place, reached, factor) and not math.isnan(value),
        )
        session.add(verdict)
        session.flush()
        earlier.append(value)
        if not verdict.goes_on:
            stop(session, verdict, max(1, reached // factor))


def arrivals(session: Session, sweep_id: str, epoch: int) -> list[str]:
    """Points with a row of this epoch that have not been judged by it, the earliest first."""
    judged = select(SweepRung.job_id).where(SweepRung.job_id == Epoch.job_id, SweepRung.epoch == epoch)
    statement = (
        select(Epoch.job_id)
        .join(Job, Job.id == Epoch.job_id)
        .where(Job.sweep_id == sweep_id, Job.epochs > epoch, Epoch.epoch == epoch, ~judged.exists())
        .order_by(Epoch.finished_at, Epoch.job_id)
    )
    return list(session.scalars(statement))


def stop(session: Session, verdict: SweepRung, places: int) -> None:
    """End the point as `cancelled` with the reason in `stopped`; nothing, when it has ended meanwhile."""
    chosen = Job.id == verdict.job_id
    stopped = {"reason": "asha", "epoch": verdict.epoch}
    message = (
        f"Stopped by the sweep after epoch {verdict.epoch}: it is number {verdict.place} of the {verdict.reached}"
        f" points that have come this far, and {places} may go on."
    )
    data = {"epoch": verdict.epoch, "place": verdict.place, "reached": verdict.reached}
    asked = transition_all(session, chosen, ("running", "pausing"), "cancelling", request="cancel", stopped=stopped)
    repository.record_moves(session, asked, "stopped_by_sweep", message, data)
    repository.announce(session, [job.id for job in asked], "descent_request")
    waiting = transition_all(session, chosen, ("queued", "paused"), "cancelled", stopped=stopped)
    repository.record_moves(session, waiting, "stopped_by_sweep", message, data)


def rungs_of(session: Session, job_id: str) -> list[int]:
    """The epochs after which a point of an ASHA sweep is still to be judged; none for any other job."""
    found = session.execute(
        select(Sweep.search, Job.epochs).join(Job, Job.sweep_id == Sweep.id).where(Job.id == job_id, Sweep.steered)
    ).first()
    if found is None or found.search["type"] != "asha":
        return []
    judged = set(session.scalars(select(SweepRung.epoch).where(SweepRung.job_id == job_id)))
    epochs = rung_epochs(found.search["min_epochs"], found.search["reduction_factor"], found.epochs)
    return [epoch for epoch in epochs if epoch not in judged]


def verdict_at(session: Session, job_id: str, epoch: int) -> bool | None:
    """Whether the point goes on from this rung; None while that is not decided."""
    return session.scalar(select(SweepRung.goes_on).where(SweepRung.job_id == job_id, SweepRung.epoch == epoch))
