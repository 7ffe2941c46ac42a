"""How many epochs a job has: `job.epochs` is in force, whatever its resolved spec says."""

from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.jobs.journal import take_seqs
from app.models import Epoch


def in_force(resolved: dict[str, Any], epochs: int) -> dict[str, Any]:
    """The resolved spec with the number of epochs that holds now."""
    if "epochs" not in resolved["training"] or resolved["training"]["epochs"] == epochs:
        return resolved
    return {**resolved, "training": {**resolved["training"], "epochs": epochs}}


def forget_last(session: Session, job_id: str, epoch: int) -> None:
    """Take out of a row what only a job's last epoch has: it is not the last one any more."""
    where = (Epoch.job_id == job_id, Epoch.epoch == epoch)
    metrics = session.scalar(select(Epoch.metrics).where(*where)) or {}
    kept = {name: value for name, value in metrics.items() if not name.endswith("confusion_matrix")}
    if kept != metrics:
        session.execute(update(Epoch).where(*where).values(metrics=kept, seq=take_seqs(session, job_id)))
