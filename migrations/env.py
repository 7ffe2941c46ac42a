"""Alembic, on the owner's connection. Concurrent starts wait for each other on an advisory lock."""

from alembic import context
from sqlalchemy import text

from app.database import get_engine
from app.models import Base

ADVISORY_LOCK = 0x0DE5CE47


def run() -> None:
    with get_engine().connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
        with context.begin_transaction():
            connection.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
            context.run_migrations()


run()
