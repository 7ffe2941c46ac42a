"""Webhooks, and their outbox, which triggers fill in the transaction of the news."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

NOW = sa.text("now()")

# Sorts by age like the other ids: 48 bits of milliseconds, then chance.
MESSAGE_ID = """
CREATE FUNCTION webhook_message_id() RETURNS text LANGUAGE sql VOLATILE AS $$
  SELECT 'msg_' || lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
    || left(replace(gen_random_uuid()::text, '-', ''), 14)
$$"""

TELL = """
CREATE FUNCTION tell_webhooks(of_project text, kind text, about text, state text, news json) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO webhook_delivery (webhook_id, project_id, type, subject, status, payload)
  SELECT webhook.id, of_project, kind, about, state, json_build_object(
    'type', kind, 'timestamp', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'data', news)
  FROM webhook
  WHERE webhook.project_id = of_project AND webhook.enabled AND (webhook.events IS NULL OR kind = ANY (webhook.events));
  IF FOUND THEN
    PERFORM pg_notify('descent_webhook', '');
  END IF;
END $$"""

# Whether a point is its sweep's last one no transaction can know before it commits: `held` rows are looked at later.
JOB = """
CREATE FUNCTION tell_webhooks_of_job() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  kind text := CASE
    WHEN TG_OP = 'INSERT' THEN 'job.queued'
    WHEN NEW.status IN ('paused', 'succeeded', 'failed', 'cancelled') THEN 'job.' || NEW.status
    WHEN NEW.status = 'running' AND OLD.status = 'queued' THEN 'job.running'
    WHEN NEW.status = 'queued' AND OLD.status = 'running' THEN 'job.interrupted'
    WHEN NEW.status = 'queued' AND OLD.status IN ('paused', 'failed', 'cancelled') THEN 'job.resumed'
    WHEN NEW.status = 'queued' THEN 'job.queued'
  END;
BEGIN
  IF kind IS NULL OR NOT EXISTS (SELECT FROM webhook WHERE project_id = NEW.project_id AND enabled) THEN
    RETURN NULL;
  END IF;
  PERFORM tell_webhooks(NEW.project_id, kind, NEW.id, 'pending', json_build_object(
    'id', NEW.id, 'object', 'job', 'name', NEW.name, 'status', NEW.status, 'metadata', NEW.metadata,
    'attempt', NEW.attempt, 'progress', NEW.progress, 'best', NEW.best, 'stopped', NEW.stopped, 'error', NEW.error,
    'waiting', NEW.waiting, 'sweep_id', NEW.sweep_id, 'version', NEW.version, 'created_at', NEW.created_at,
    'queued_at', NEW.queued_at, 'started_at', NEW.started_at, 'finished_at', NEW.finished_at));
  IF NEW.sweep_id IS NOT NULL AND NEW.status IN ('succeeded', 'failed', 'cancelled') THEN
    PERFORM tell_webhooks(NEW.project_id, 'sweep.ended', NEW.sweep_id, 'held', '{}'::json);
  END IF;
  RETURN NULL;
END $$"""

CHECKPOINT = """
CREATE FUNCTION tell_webhooks_of_checkpoint() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM webhook WHERE project_id = NEW.project_id AND enabled) THEN
    PERFORM tell_webhooks(NEW.project_id, 'checkpoint.created', NEW.job_id, 'pending', json_build_object(
      'id', NEW.id, 'object', 'checkpoint', 'job_id', NEW.job_id, 'epoch', NEW.epoch, 'step', NEW.step,
      'attempt', NEW.attempt, 'bytes', NEW.bytes, 'sha256', NEW.sha256, 'values', NEW.values, 'reason', NEW.reason,
      'created_at', NEW.created_at));
  END IF;
  RETURN NULL;
END $$"""

TRIGGERS = (
    "CREATE TRIGGER tell_webhooks_of_insert AFTER INSERT ON job FOR EACH ROW EXECUTE FUNCTION tell_webhooks_of_job()",
    "CREATE TRIGGER tell_webhooks_of_move AFTER UPDATE OF status ON job FOR EACH ROW"
    " WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION tell_webhooks_of_job()",
    "CREATE TRIGGER tell_webhooks_of_insert AFTER INSERT ON checkpoint FOR EACH ROW"
    " EXECUTE FUNCTION tell_webhooks_of_checkpoint()",
)


def upgrade() -> None:
    op.create_table(
        "webhook",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("disabled_reason", sa.Text(), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="webhook_project_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="webhook_pkey"),
    )
    op.create_index("webhook_project_id_id_idx", "webhook", ["project_id", "id"])
    op.execute(MESSAGE_ID)
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.Text(), server_default=sa.text("webhook_message_id()"), nullable=False),
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("attempts", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("attempted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status_code", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("response", sa.Text(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhook.id"], name="webhook_delivery_webhook_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="webhook_delivery_pkey"),
    )
    op.create_index("webhook_delivery_webhook_id_id_idx", "webhook_delivery", ["webhook_id", "id"])
    op.create_index(
        "webhook_delivery_due_idx",
        "webhook_delivery",
        ["next_at"],
        postgresql_where=sa.text("status IN ('pending', 'held')"),
    )
    op.create_index("webhook_delivery_created_at_idx", "webhook_delivery", ["created_at"])
    for table in ("webhook", "webhook_delivery"):
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO descent_api, descent_worker")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY of_the_project ON {table} TO descent_api"
            " USING (project_id = current_setting('descent.project', true))"
        )
        op.execute(f"CREATE POLICY of_all_projects ON {table} TO descent_worker USING (true)")
    for statement in (TELL, JOB, CHECKPOINT, *TRIGGERS):
        op.execute(statement)
