"""Forks, reproductions, time sharing, cordons, the store's mark."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("work_seconds", sa.Double(), nullable=False, server_default="0"))
    op.add_column("job", sa.Column("reproduction", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("worker", sa.Column("reason", sa.Text(), nullable=True))
    op.add_column("installation", sa.Column("store", sa.Text(), nullable=True))
    op.add_column("installation", sa.Column("alert", sa.JSON(none_as_null=True), nullable=True))
    op.create_index("job_parent_checkpoint_id_idx", "job", ["parent_checkpoint_id"])
