"""Time sharing: which running jobs make room, because more urgent ones or another project's wait, or for their quota.

The decision is made here alone, by one sweeper at a time. Putting a run aside is exact, so it costs a checkpoint.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

LEAST_SECONDS = 10.0
"""A job that has just begun makes room for nobody: else two that take turns would get nowhere."""
FORESIGHT = 50
"""So many of those who wait in a queue are looked at."""

ONE_AT_A_TIME = text("SELECT pg_try_advisory_xact_lock(hashtextextended('descent:share', 0))")

WORKERS = text("""
SELECT id, queue, slots, labels FROM worker
WHERE state = 'active' AND queue <> 'previews' AND heartbeat_at > now() - interval '20 seconds'
""")

RUNNING = text("""
SELECT job.id, job.project_id, job.queue, job.priority, job.worker_id, job.attempt,
  job.status <> 'running' OR job.request IS NOT NULL AS leaving,
  extract(epoch FROM clock_timestamp() - attempt.started_at)::float8 AS seconds
FROM job JOIN attempt ON attempt.job_id = job.id AND attempt.attempt = job.attempt
WHERE job.status IN ('running', 'pausing', 'cancelling')
""")

# In the order in which they are claimed.
WAITING = text("""
WITH running AS (
  SELECT project_id, count(*) AS jobs FROM job
  WHERE status IN ('running', 'pausing', 'cancelling') GROUP BY project_id
), placed AS (
  SELECT job.id, job.project_id, job.queue, job.priority, job.labels, row_number() OVER (
    PARTITION BY job.queue ORDER BY job.priority DESC, coalesce(running.jobs, 0),
      job.available_at + make_interval(secs => least(job.work_seconds, :slice_seconds)), job.id) AS place
  FROM job LEFT JOIN running USING (project_id)
  WHERE job.status = 'queued' AND job.available_at <= clock_timestamp()
    AND job.project_id NOT IN (SELECT project_id FROM quota_blocks())
    AND NOT EXISTS (SELECT FROM installation WHERE queue_paused_at IS NOT NULL)
)
SELECT * FROM placed WHERE place <= :foresight ORDER BY queue, place
""")

# Every project with something to do has a share.
PROJECTS = text("""
SELECT queue, count(DISTINCT project_id) AS projects FROM job
WHERE status IN ('running', 'pausing', 'cancelling') OR (status = 'queued' AND available_at <= clock_timestamp())
GROUP BY queue
""")

ASK = text("""
UPDATE job SET request = 'preempt'
WHERE id = :id AND attempt = :attempt AND status = 'running' AND request IS NULL
RETURNING pg_notify('descent_request', id)
""")

# What a project may use of a day it has used: its jobs wait for the next one, those that run as well.
ASK_OVER_QUOTA = text("""
UPDATE job SET request = 'quota'
WHERE status = 'running' AND request IS NULL
  AND project_id IN (SELECT project_id FROM quota_blocks() WHERE quota = 'device_seconds_per_day')
RETURNING pg_notify('descent_request', id)
""")

Row = Mapping[str, Any]


@dataclass
class Queue:
    """The slots of a queue, who has them, and who is on the way out."""

    workers: Mapping[str, Row]
    running: Sequence[Row]
    projects: int
    slice_seconds: float

    def __post_init__(self) -> None:
        self.slots = int(sum(worker["slots"] for worker in self.workers.values()))
        mine = [job for job in self.running if job["worker_id"] in self.workers]
        self.coming = self.slots - len(mine) + sum(job["leaving"] for job in mine)
        self.staying = [job for job in mine if not job["leaving"]]
        self.held = Counter(job["project_id"] for job in self.staying)
        self.unserved = False
        """Somebody waits for whom nobody makes room yet."""

    @property
    def share(self) -> float:
        return self.slots / max(1, self.projects)

    def victim(self, waiting: Row) -> Row | None:
        """Who makes room: the least urgent, of the project with the most slots, the one that has run longest."""
        found = [job for job in self.staying if self.gives_way(job, waiting)]
        return min(
            found, key=lambda job: (job["priority"], -self.held[job["project_id"]], -job["seconds"]), default=None
        )

    def gives_way(self, job: Row, waiting: Row) -> bool:
        fits = set(waiting["labels"]) <= set(self.workers[job["worker_id"]]["labels"])
        if not fits or job["seconds"] < min(LEAST_SECONDS, self.slice_seconds):
            return False
        if job["priority"] != waiting["priority"]:
            return bool(job["priority"] < waiting["priority"])
        above, below = self.held[job["project_id"]] > self.share, self.held[waiting["project_id"]] < self.share
        return above and below and job["seconds"] >= self.slice_seconds

    def makes_room(self, waiting: Iterable[Row]) -> Iterable[Row]:
        for one in waiting:
            if self.coming > 0:
                self.coming -= 1
            else:
                job = self.victim(one)
                if job is None:
                    self.unserved = True
                    continue
                self.staying.remove(job)
                self.held[job["project_id"]] -= 1
                yield job
            self.held[one["project_id"]] += 1

    def next_slice(self) -> float:
        """Seconds until one more job has had its slice, where that may help somebody."""
        left = [self.slice_seconds - job["seconds"] for job in self.staying if job["seconds"] < self.slice_seconds]
        return min(left, default=math.inf) if self.unserved else math.inf


def share(session: Session, slice_seconds: float) -> float:
    """Ask those who are to make room; in how many seconds to look again at the latest, for the sake of the slices.

    Somebody who decides already is left alone.
    """
    if not session.scalar(ONE_AT_A_TIME):
        return math.inf
    session.execute(ASK_OVER_QUOTA)
    parameters = {"slice_seconds": slice_seconds, "foresight": FORESIGHT}
    waiting = [dict(row) for row in session.execute(WAITING, parameters).mappings()]
    if not waiting:
        return math.inf
    workers = [dict(row) for row in session.execute(WORKERS).mappings()]
    running = [dict(row) for row in session.execute(RUNNING).mappings()]
    projects = {row.queue: row.projects for row in session.execute(PROJECTS)}
    again = math.inf
    for name in sorted({job["queue"] for job in waiting}):
        queue = Queue(
            {worker["id"]: worker for worker in workers if worker["queue"] == name},
            [job for job in running if job["queue"] == name],
            projects.get(name, 1),
            slice_seconds,
        )
        for job in queue.makes_room([job for job in waiting if job["queue"] == name]):
            session.execute(ASK, {"id": job["id"], "attempt": job["attempt"]})
        again = min(again, queue.next_slice())
    return again
