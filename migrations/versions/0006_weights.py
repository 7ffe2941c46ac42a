"""Weights that jobs start from."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "weights",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("tensors", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="weights_project_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["sha256"], ["blob.sha256"], name="weights_sha256_fkey"),
        sa.PrimaryKeyConstraint("id", name="weights_pkey"),
    )
    op.create_index("weights_project_id_id_idx", "weights", ["project_id", "id"])
    op.create_index("weights_sha256_idx", "weights", ["sha256"])
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON weights TO descent_api, descent_worker")
    op.execute("ALTER TABLE weights ENABLE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY of_the_project ON weights TO descent_api"
        " USING (project_id = current_setting('descent.project', true))"
    )
    op.execute("CREATE POLICY of_all_projects ON weights TO descent_worker USING (true)")
