"""Quotas of projects, tokens for single jobs, and the audit trail."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("project", sa.Column("quotas", sa.JSON(none_as_null=True), server_default="{}", nullable=False))
    op.add_column("api_key", sa.Column("jobs", postgresql.ARRAY(sa.Text()), nullable=True))
    op.create_table(
        "audit",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("audit_pkey")),
    )
    op.create_index("audit_project_id_id_idx", "audit", ["project_id", "id"])
    op.execute("ALTER TABLE audit ENABLE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY of_the_project ON audit TO descent_api"
        " USING (project_id = current_setting('descent.project', true))"
    )
    op.execute("CREATE POLICY of_all_projects ON audit TO descent_worker USING (true)")
    op.execute("REVOKE UPDATE, DELETE ON audit FROM descent_api")
