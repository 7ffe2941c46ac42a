"""The figures of the whole service for its operators: totals over all projects, and nothing of any one of them."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
CREATE FUNCTION service_figures() RETURNS TABLE (figure text, label text, value double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
  SELECT 'jobs', status, count(*) FROM job GROUP BY status
  UNION ALL
  SELECT 'attempts', coalesce(cause, 'running'), count(*) FROM attempt GROUP BY cause
  UNION ALL
  SELECT 'queue_age', queue, extract(epoch FROM now() - min(queued_at))
  FROM job WHERE status = 'queued' AND available_at <= now() GROUP BY queue
  UNION ALL
  SELECT 'feed_lag', '', coalesce(extract(epoch FROM clock_timestamp() - min(xact_start)), 0)
  FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND datname = current_database()
$$"""
    )
    op.execute("REVOKE ALL ON FUNCTION service_figures() FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION service_figures() TO descent_api")
