"""Quotas that are honoured when a job is claimed, retention by age, and whose key a job came by."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Row-level security binds them: the API learns of its own project's jobs only.
FUNCTIONS = (
    """
CREATE FUNCTION device_seconds(of_project text, since timestamptz) RETURNS double precision LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(extract(epoch FROM coalesce(ended_at, now()) - greatest(started_at, since))), 0)
  FROM attempt WHERE project_id = of_project AND (ended_at IS NULL OR ended_at > since)
$$""",
    """
CREATE FUNCTION today() RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
$$""",
    """
CREATE FUNCTION quota_blocks() RETURNS TABLE (project_id text, quota text, most bigint) LANGUAGE sql STABLE AS $$
  SELECT p.id, 'device_seconds_per_day', (p.quotas ->> 'device_seconds_per_day')::bigint FROM project p
  WHERE p.quotas ->> 'device_seconds_per_day' IS NOT NULL
    AND device_seconds(p.id, today()) >= (p.quotas ->> 'device_seconds_per_day')::bigint
  UNION ALL
  SELECT p.id, 'running_jobs', (p.quotas ->> 'running_jobs')::bigint FROM project p
  WHERE p.quotas ->> 'running_jobs' IS NOT NULL
    AND (SELECT count(*) FROM job j WHERE j.project_id = p.id AND j.status IN ('running', 'pausing', 'cancelling'))
      >= (p.quotas ->> 'running_jobs')::bigint
$$""",
)


def upgrade() -> None:
    op.add_column("project", sa.Column("retention_days", sa.BigInteger(), nullable=True))
    # Whoever inserts a job need not know of keys: the API says in each transaction by which one it was asked.
    key = sa.text("nullif(current_setting('descent.key', true), '')")
    op.add_column("job", sa.Column("key_id", sa.Text(), nullable=True))
    op.alter_column("job", "key_id", server_default=key)
    op.create_index("attempt_project_id_ended_at_idx", "attempt", ["project_id", "ended_at"])
    for function in FUNCTIONS:
        op.execute(function)
