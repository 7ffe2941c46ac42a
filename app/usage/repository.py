"""All SQL of usage. Row-level security keeps each query to the session's project."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

SECONDS = "a.devices * extract(epoch FROM least(coalesce(a.ended_at, now()), :until) - greatest(a.started_at, :since))"
WITHIN = "a.started_at < :until AND (a.ended_at IS NULL OR a.ended_at > :since)"

BY_JOB = text(f"""
SELECT job.id AS job_id, job.key_id, job.name, coalesce(sum({SECONDS}), 0) AS device_seconds,
  count(a.attempt) AS attempts,
  (SELECT coalesce(sum(bytes), 0) FROM checkpoint c WHERE c.job_id = job.id) AS checkpoint_bytes
FROM job LEFT JOIN attempt a ON a.job_id = job.id AND {WITHIN}
WHERE job.project_id = :project AND (CAST(:after AS text) IS NULL OR job.id < :after)
GROUP BY job.id ORDER BY job.id DESC LIMIT :limit
""")

BY_KEY = text(f"""
WITH spent AS (
  SELECT a.job_id, sum({SECONDS}) AS seconds, count(*) AS attempts FROM attempt a
  WHERE a.project_id = :project AND {WITHIN} GROUP BY a.job_id
), stored AS (
  SELECT job_id, sum(bytes) AS bytes FROM checkpoint WHERE project_id = :project GROUP BY job_id
)
SELECT job.key_id, count(*) AS jobs, coalesce(sum(spent.seconds), 0) AS device_seconds,
  coalesce(sum(spent.attempts), 0)::bigint AS attempts, coalesce(sum(stored.bytes), 0)::bigint AS checkpoint_bytes
FROM job LEFT JOIN spent ON spent.job_id = job.id LEFT JOIN stored ON stored.job_id = job.id
WHERE job.project_id = :project GROUP BY job.key_id ORDER BY job.key_id NULLS LAST
""")

OF_PROJECT = text(f"""
SELECT
  (SELECT count(*) FROM job WHERE project_id = :project) AS jobs,
  (SELECT coalesce(sum({SECONDS}), 0) FROM attempt a WHERE a.project_id = :project AND {WITHIN}) AS device_seconds,
  (SELECT count(*) FROM attempt a WHERE a.project_id = :project AND {WITHIN}) AS attempts,
  (SELECT coalesce(sum(bytes), 0)::bigint FROM checkpoint WHERE project_id = :project) AS checkpoint_bytes,
  (SELECT coalesce(sum(bytes), 0)::bigint FROM dataset WHERE project_id = :project) AS dataset_bytes,
  (SELECT coalesce(sum(bytes), 0)::bigint FROM weights WHERE project_id = :project AND job_id IS NULL) AS weights_bytes
""")


def by_job(
    session: Session, project: str, since: datetime, until: datetime, after: str | None, limit: int
) -> Sequence[RowMapping]:
    """One row more than `limit`, where there is one; the newest job first."""
    values = {"project": project, "since": since, "until": until, "after": after, "limit": limit + 1}
    return session.execute(BY_JOB, values).mappings().all()


def by_key(session: Session, project: str, since: datetime, until: datetime) -> Sequence[RowMapping]:
    return session.execute(BY_KEY, {"project": project, "since": since, "until": until}).mappings().all()


def of_project(session: Session, project: str, since: datetime, until: datetime) -> RowMapping:
    return session.execute(OF_PROJECT, {"project": project, "since": since, "until": until}).mappings().one()
