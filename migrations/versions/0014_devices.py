"""A job on several devices takes each second of all of them."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("attempt", sa.Column("devices", sa.BigInteger(), nullable=False, server_default=sa.text("1")))
    op.execute(
        """
CREATE OR REPLACE FUNCTION device_seconds(of_project text, since timestamptz) RETURNS double precision
LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(devices * extract(epoch FROM coalesce(ended_at, now()) - greatest(started_at, since))), 0)
  FROM attempt WHERE project_id = of_project AND (ended_at IS NULL OR ended_at > since)
$$"""
    )
