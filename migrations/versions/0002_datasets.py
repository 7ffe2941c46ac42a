"""Uploaded data sets: blobs by content, data sets by project (or installed for all), row-level security on both."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "blob",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("blob_pkey")),
    )
    op.create_table(
        "dataset",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("part", sa.Text(), nullable=True),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("(project_id IS NULL) = (part IS NOT NULL)", name=op.f("dataset_part_check")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("dataset_project_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("dataset_pkey")),
        sa.UniqueConstraint("project_id", "name", "version", name=op.f("dataset_project_id_name_version_key")),
    )
    op.create_index(
        "dataset_installed_idx",
        "dataset",
        ["name", "part"],
        unique=True,
        postgresql_where=sa.text("project_id IS NULL"),
    )
    op.create_table(
        "dataset_name",
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("versions", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("dataset_name_project_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("project_id", "name", name=op.f("dataset_name_pkey")),
    )
    op.create_table(
        "dataset_file",
        sa.Column("dataset_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=True),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["dataset.id"], name=op.f("dataset_file_dataset_id_fkey"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["sha256"], ["blob.sha256"], name=op.f("dataset_file_sha256_fkey")),
        sa.PrimaryKeyConstraint("dataset_id", "role", name=op.f("dataset_file_pkey")),
    )
    op.create_index("dataset_file_sha256_idx", "dataset_file", ["sha256"], unique=False)
    for role in ("descent_api", "descent_worker"):
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON blob, dataset, dataset_name, dataset_file TO {role}")
    for table in ("dataset", "dataset_name", "dataset_file"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY of_the_project ON {table} TO descent_api"
            " USING (project_id = current_setting('descent.project', true))"
        )
        op.execute(f"CREATE POLICY of_all_projects ON {table} TO descent_worker USING (true)")
    for table in ("dataset", "dataset_file"):
        op.execute(f"CREATE POLICY of_everybody ON {table} FOR SELECT TO descent_api USING (project_id IS NULL)")
