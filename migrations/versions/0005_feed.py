"""Every change carries its transaction's number, by which the feed hands changes out."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TABLES = ("job", "epoch", "event", "checkpoint")


def upgrade() -> None:
    op.execute(
        """
CREATE FUNCTION note_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.changed_in := pg_current_xact_id()::text::bigint;
  RETURN NEW;
END $$"""
    )
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ADD COLUMN changed_in bigint NOT NULL DEFAULT 0")
        op.execute(f"CREATE INDEX {table}_project_id_changed_in_idx ON {table} (project_id, changed_in)")
        op.execute(
            f"CREATE TRIGGER note_insert BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION note_transaction()"
        )
        is_news = "WHEN (NEW.version <> OLD.version)" if table == "job" else ""  # a heartbeat is none
        op.execute(
            f"CREATE TRIGGER note_update BEFORE UPDATE ON {table} FOR EACH ROW {is_news}"
            " EXECUTE FUNCTION note_transaction()"
        )
