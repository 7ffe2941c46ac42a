"""A queue that operators pause, and news of a job with every new version of it, whoever wrote that."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("installation", sa.Column("queue_paused_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        """
CREATE FUNCTION tell_of_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('descent_job', OLD.id);
  RETURN NULL;
END $$"""
    )
    op.execute(
        "CREATE TRIGGER tell_update AFTER UPDATE ON job FOR EACH ROW WHEN (NEW.version <> OLD.version)"
        " EXECUTE FUNCTION tell_of_job()"
    )
    op.execute("CREATE TRIGGER tell_delete AFTER DELETE ON job FOR EACH ROW EXECUTE FUNCTION tell_of_job()")
