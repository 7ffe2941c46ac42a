"""Taking the best queued job: one statement, which two workers at once cannot both win."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, func, select, text, update
from sqlalchemy.orm import Session

from app.jobs.journal import notify
from app.jobs.leases.ends import interrupt
from app.jobs.leases.epochs import in_force
from app.jobs.leases.fence import Lease
from app.jobs.lifecycle import HOLDING_LEASE
from app.models import Attempt, Checkpoint, Epoch, Job, Weights
from app.projects.quotas import claim_fits
from app.settings import get_settings

ELSEWHERE_SECONDS = 5.0
"""A job whose attempt was lost here is left to another host for as long as it had to wait, and so long at least."""

# Only while another host has a free slot that the job fits; where it has not, nobody waits for it.
LEFT_TO_ANOTHER_HOST = """
  job.failures > 0
  AND clock_timestamp() < job.available_at
    + greatest(job.available_at - job.queued_at, make_interval(secs => :elsewhere_seconds))
  AND EXISTS (
    SELECT FROM attempt AS lost WHERE lost.job_id = job.id AND lost.attempt = job.attempt AND lost.host = :host
      AND lost.cause IN ('trainer_died', 'worker_lost', 'hung', 'device_error'))
  AND EXISTS (
    SELECT FROM worker AS other WHERE other.host <> :host AND other.queue = job.queue AND other.state = 'active'
      AND other.heartbeat_at > now() - interval '20 seconds' AND job.labels <@ other.labels
      AND NOT coalesce(jsonb_exists(CAST(job.waiting AS jsonb) -> 'refused', other.id), false)
      AND other.slots > (
        SELECT count(*) FROM job AS held
        WHERE held.status IN ('running', 'pausing', 'cancelling') AND held.worker_id = other.id))
"""

# Priority, then the project with the fewest running jobs, then age, with a slice's advance for short jobs.
# A row that another claim holds is passed over.
CLAIM = text(f"""
WITH running AS (
  SELECT project_id, count(*) AS jobs FROM job
  WHERE status IN ('running', 'pausing', 'cancelling') GROUP BY project_id
), blocked AS MATERIALIZED (
  SELECT project_id FROM quota_blocks()
), chosen AS (
  SELECT job.id, job.waiting AS waited FROM job LEFT JOIN running USING (project_id)
  WHERE job.status = 'queued' AND job.queue = :queue AND job.available_at <= clock_timestamp()
    AND job.labels <@ CAST(:labels AS text[])
    AND NOT coalesce(jsonb_exists(CAST(job.waiting AS jsonb) -> 'refused', :worker), false)
    AND NOT EXISTS (SELECT FROM installation WHERE queue_paused_at IS NOT NULL)
    AND job.project_id NOT IN (SELECT project_id FROM blocked) AND job.project_id <> ALL (CAST(:full AS text[]))
    AND NOT ({LEFT_TO_ANOTHER_HOST})
  ORDER BY job.priority DESC, coalesce(running.jobs, 0),
    job.available_at + make_interval(secs => least(job.work_seconds, :slice_seconds)), job.id
  FOR UPDATE OF job SKIP LOCKED LIMIT 1
)
UPDATE job SET status = 'running', activity = 'starting', attempt = attempt + 1, worker_id = :worker, device = :device,
  lease_until = clock_timestamp() + make_interval(secs => :lease_seconds), progress_at = now(),
  started_at = coalesce(started_at, now()), request = NULL, waiting = NULL, version = version + 1
FROM chosen WHERE job.id = chosen.id
RETURNING job.id, job.project_id, job.attempt, job.resolved_spec, job.spec_sha256, job.latest_checkpoint_id,
  job.progress, job.best, job.epochs, job.parent_checkpoint_id, job.reproduction,
  chosen.waited
""")

BESIDE_OTHERS = text("SELECT pg_advisory_xact_lock_shared(hashtextextended('descent:claims', 0))")
"""Who pauses the queue waits for the claims under way (`app/operating/queues.py`): none comes after the answer."""


@dataclass(frozen=True)
class Resume:
    """A checkpoint to go on from."""

    id: str
    path: str
    """Relative to the store."""
    sha256: str
    epoch: int
    step: int
    reason: str = "interval"
    foreign: bool = False
    """Trained, at least in part, in another environment than the run began in."""


@dataclass(frozen=True)
class Origin:
    """Another job's checkpoint, held among the blobs."""

    id: str
    sha256: str | None
    """None: it is gone."""


@dataclass(frozen=True)
class Claimed:
    """A job that is ours, and how far others brought it."""

    lease: Lease
    resolved_spec: dict[str, Any]
    spec_sha256: str
    checkpoints: Sequence[Resume]
    """Newest first: the next one serves when one turns out to be damaged."""
    recorded_epoch: int
    """The highest epoch with a row, 0 without any."""
    progress: dict[str, Any]
    best: dict[str, Any] | None
    epochs: int
    """How many are to be trained now; the spec has it too."""
    origin: Origin | None = None
    """Where a fork starts, while it has no checkpoint of its own."""
    reproduces: str | None = None
    """The job that this one trains again."""
    refused: Sequence[str] = ()
    """Workers that have another environment than the one it must go on in."""


def claim(
    session: Session,
    *,
    queue: str,
    labels: Sequence[str],
    worker_id: str,
    host: str,
    device: str,
    lease_seconds: float,
) -> Claimed | None:
    """The best queued job, with the row of its new attempt; None when nothing waits."""
    values = {
        "queue": queue,
        "labels": list(labels),
        "worker": worker_id,
        "host": host,
        "elsewhere_seconds": ELSEWHERE_SECONDS,
        "device": device,
        "lease_seconds": lease_seconds,
        "slice_seconds": get_settings().slice_seconds,
    }
    job = take(session, values)
    if job is None:
        return None
    attempt = Attempt(
        job_id=job["id"],
        attempt=job["attempt"],
        project_id=job["project_id"],
        worker_id=worker_id,
        host=host,
        device=device,
        devices=job["resolved_spec"].get("resources", {}).get("gpus", 1),
    )
    session.add(attempt)
    recorded = session.scalar(select(func.coalesce(func.max(Epoch.epoch), 0)).where(Epoch.job_id == job["id"]))
    notify(session, job["id"])
    return Claimed(
        Lease(job["id"], job["attempt"], job["project_id"], lease_seconds),
        in_force(job["resolved_spec"], job["epochs"]),
        job["spec_sha256"],
        within(session, job["id"], checkpoints(session, job["id"], job["latest_checkpoint_id"]), job["epochs"]),
        recorded or 0,
        job["progress"],
        job["best"],
        job["epochs"],
        origin(session, job["project_id"], job["parent_checkpoint_id"]),
        (job["reproduction"] or {}).get("job_id"),
        (job["waited"] or {}).get("refused", ()),
    )


def take(session: Session, values: dict[str, Any]) -> RowMapping | None:
    """The row of the job that is ours now. Of two claims that saw a project's last place, one gives it back."""
    full: list[str] = []
    session.execute(BESIDE_OTHERS)
    while True:
        with session.begin_nested() as savepoint:
            job = session.execute(CLAIM, values | {"full": full}).mappings().first()
            if job is None or claim_fits(session, job["project_id"]):
                return job
            savepoint.rollback()
        full.append(job["project_id"])


def origin(session: Session, project_id: str, checkpoint_id: str | None) -> Origin | None:
    if checkpoint_id is None:
        return None
    held = select(Weights.sha256).where(Weights.project_id == project_id, Weights.id == checkpoint_id)
    return Origin(checkpoint_id, session.scalar(held))


def within(session: Session, job_id: str, found: list[Resume], epochs: int) -> list[Resume]:
    """Those that a run of so many epochs has as well: a PATCH may have made them fewer while the job ran."""
    kept = [
        resume for resume in found if resume.epoch < epochs or (resume.epoch == epochs and resume.reason == "final")
    ]
    if kept[:1] != found[:1]:
        newest = kept[0].id if kept else None
        session.execute(update(Job).where(Job.id == job_id).values(latest_checkpoint_id=newest))
    return kept


def checkpoints(session: Session, job_id: str, latest_id: str | None) -> list[Resume]:
    """The checkpoint to go on from, and those at or before its step to fall back on. None: from the start."""
    latest = None if latest_id is None else session.get(Checkpoint, latest_id)
    if latest is None:
        return []
    older = (
        select(Checkpoint)
        .where(Checkpoint.job_id == job_id, Checkpoint.id != latest.id, Checkpoint.step <= latest.step)
        .order_by(Checkpoint.step.desc(), Checkpoint.seq.desc())
    )
    found = [latest, *session.scalars(older)]
    mark = Epoch.extra["environment_differs"].as_string() == "true"
    marked = set(session.scalars(select(Epoch.epoch).where(Epoch.job_id == job_id, mark)))
    return [Resume(row.id, row.path, row.sha256, row.epoch, row.step, row.reason, row.epoch in marked) for row in found]


def give_back(session: Session, worker_ids: Collection[str], *, known: Collection[str] = (), detail: str) -> list[str]:
    """Put back what these workers hold, except the `known` jobs; the queues to ring."""
    statement = (
        select(Job)
        .where(Job.worker_id.in_(worker_ids), Job.status.in_(HOLDING_LEASE), Job.id.not_in(known))
        .with_for_update(skip_locked=True)
    )
    jobs = list(session.scalars(statement))
    for job in jobs:
        interrupt(session, job, "worker_lost", detail)
    return sorted({job.queue for job in jobs})
