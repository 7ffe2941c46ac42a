"""Data sets of one project that all may read."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("dataset", sa.Column("published_at", sa.DateTime(timezone=True), nullable=True))
    published = sa.text("published_at IS NOT NULL")
    op.create_index("dataset_published_idx", "dataset", ["name", "version"], postgresql_where=published)
    op.execute("CREATE POLICY published ON dataset FOR SELECT TO descent_api USING (published_at IS NOT NULL)")
    op.execute(
        "CREATE POLICY published ON dataset_file FOR SELECT TO descent_api USING (EXISTS ("
        "SELECT FROM dataset WHERE dataset.id = dataset_file.dataset_id AND dataset.published_at IS NOT NULL))"
    )
