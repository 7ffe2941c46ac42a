"""What every sweeper does: take back expired leases, and ring for jobs that nobody has heard of."""

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.jobs.journal import call_all
from app.jobs.leases.ends import interrupt
from app.jobs.lifecycle import HOLDING_LEASE
from app.models import Job

AT_ONCE = 100

# After an outage of the database nobody could extend a lease: everybody gets one lease's time first.
REAPING = text("SELECT clock_timestamp() > pg_postmaster_start_time() + make_interval(secs => :lease_seconds)")

# As many rings as there are free slots; a slot that ends a job looks for the next one by itself. A job that was lost is
# rung for more often: some will have left it to another host.
DISPATCH = text("""
WITH slots AS (
  SELECT queue, sum(slots) AS slots FROM worker
  WHERE state = 'active' AND heartbeat_at > now() - interval '20 seconds' GROUP BY queue
), busy AS (
  SELECT queue, count(*) AS jobs FROM job WHERE status IN ('running', 'pausing', 'cancelling') GROUP BY queue
), due AS (
  SELECT job.id, job.queue, row_number() OVER (PARTITION BY job.queue ORDER BY priority DESC, available_at, id) AS place
  FROM job WHERE status = 'queued' AND available_at <= now()
    AND (dispatched_at IS NULL
      OR dispatched_at < now() - make_interval(secs => CASE WHEN failures > 0 THEN 5 ELSE 30 END))
    AND NOT EXISTS (SELECT FROM installation WHERE queue_paused_at IS NOT NULL)
), chosen AS (
  SELECT job.id FROM job JOIN due USING (id) JOIN slots ON slots.queue = due.queue
    LEFT JOIN busy ON busy.queue = due.queue
  WHERE due.place <= least(slots.slots - coalesce(busy.jobs, 0), :at_once)
  FOR UPDATE OF job SKIP LOCKED
)
UPDATE job SET dispatched_at = now() FROM chosen WHERE job.id = chosen.id AND job.status = 'queued'
RETURNING job.queue, job.failures > 0 AS lost
""")

FORGET_WORKERS = text("""
UPDATE worker SET state = 'gone' WHERE state <> 'gone' AND heartbeat_at < now() - interval '5 minutes'
""")


def sweep(session: Session, lease_seconds: float) -> int:
    """Take back what has expired by the database's clock; how many there were."""
    if not session.scalar(REAPING, {"lease_seconds": lease_seconds}):
        return 0
    statement = (
        select(Job)
        .where(Job.status.in_(HOLDING_LEASE), Job.lease_until < func.clock_timestamp())
        .order_by(Job.lease_until)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    jobs = list(session.scalars(statement))
    for job in jobs:
        interrupt(session, job, "worker_lost", "the worker was not heard of for a whole lease")
    session.execute(FORGET_WORKERS)
    return len(jobs)


def dispatch(session: Session) -> list[str]:
    """The queues to ring after the commit, one entry for each ring."""
    rows = session.execute(DISPATCH, {"at_once": AT_ONCE}).all()
    for queue in sorted({row.queue for row in rows if row.lost}):
        call_all(session, queue)
    return [row.queue for row in rows]
