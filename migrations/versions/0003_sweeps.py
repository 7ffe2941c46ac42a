"""Sweeps, their points, and the rungs that ASHA decides at."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NOW = sa.text("now()")


def upgrade() -> None:
    op.create_table(
        "sweep",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("document", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("search", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("objective", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("max_parallel", sa.BigInteger(), nullable=True),
        sa.Column("steered", sa.Boolean(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="sweep_project_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="sweep_pkey"),
    )
    op.create_index("sweep_project_id_id_idx", "sweep", ["project_id", "id"])
    op.create_index("sweep_steered_idx", "sweep", ["id"], postgresql_where=sa.text("steered AND settled_at IS NULL"))
    op.create_table(
        "sweep_point",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("sweep_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("point", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="sweep_point_job_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweep.id"], name="sweep_point_sweep_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", name="sweep_point_pkey"),
    )
    op.create_index("sweep_point_sweep_id_number_idx", "sweep_point", ["sweep_id", "number"], unique=True)
    op.create_table(
        "sweep_rung",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("sweep_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("reached", sa.BigInteger(), nullable=False),
        sa.Column("goes_on", sa.Boolean(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="sweep_rung_job_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["sweep_id"], ["sweep.id"], name="sweep_rung_sweep_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "epoch", name="sweep_rung_pkey"),
    )
    op.create_index("sweep_rung_sweep_id_epoch_idx", "sweep_rung", ["sweep_id", "epoch"])
    for table in ("sweep", "sweep_point", "sweep_rung"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY of_the_project ON {table} TO descent_api"
            " USING (project_id = current_setting('descent.project', true))"
        )
        op.execute(f"CREATE POLICY of_all_projects ON {table} TO descent_worker USING (true)")
