"""Names on checkpoints, with everything they have stood for."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alias",
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("checkpoint_id", sa.Text(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="alias_project_id_fkey", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["checkpoint_id"], ["checkpoint.id"], name="alias_checkpoint_id_fkey"),
        sa.PrimaryKeyConstraint("project_id", "name", name="alias_pkey"),
    )
    op.create_index("alias_checkpoint_id_idx", "alias", ["checkpoint_id"])
    op.create_table(
        "alias_move",
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("checkpoint_id", sa.Text(), nullable=True),
        sa.Column("moved_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("moved_by", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name="alias_move_project_id_fkey", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("project_id", "name", "version", name="alias_move_pkey"),
    )
    for table in ("alias", "alias_move"):
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO descent_api, descent_worker")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY of_the_project ON {table} TO descent_api"
            " USING (project_id = current_setting('descent.project', true))"
        )
        op.execute(f"CREATE POLICY of_all_projects ON {table} TO descent_worker USING (true)")
