"""The migrations make what the models say, from every revision that has landed, with rows in the tables."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.orm import Session

from app.database import get_engine, session_scope, set_project
from app.local.migrate import alembic_config
from app.local.postgres import Postgres
from app.models import Base
from tests.conftest import migrate_to

SCRIPTS = ScriptDirectory.from_config(alembic_config())
REVISIONS = [script.revision for script in reversed(list(SCRIPTS.walk_revisions()))]
BY_TYPE: dict[type[Any], Any] = {
    sa.ARRAY: [],
    sa.BigInteger: 1,
    sa.Boolean: True,
    sa.DateTime: datetime(2026, 1, 1, tzinfo=UTC),
    sa.Double: 0.5,
    sa.JSON: {"a": 1},
    sa.Text: "x",
}


def test_there_is_one_head() -> None:
    assert len(SCRIPTS.get_heads()) == 1


def test_the_tables_are_those_of_the_models(database: str) -> None:
    with get_engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.parametrize("revision", REVISIONS)
def test_rows_survive_the_upgrade_from(revision: str, postgres: Postgres) -> None:
    name = f"from_{revision}"
    postgres.create_database(name)
    url = postgres.url(name)
    migrate_to(url, revision)
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool)
    before = fill(engine)
    migrate_to(url)
    with engine.connect() as connection:
        after = {table: connection.scalar(sa.text(f'SELECT count(*) FROM "{table}"')) for table in before}
    assert after == before
    assert min(before.values()) == 1


def fill(engine: sa.Engine) -> dict[str, int]:
    """One row in every table of this revision, whatever its columns are; how many rows each has."""
    tables = sa.MetaData()
    tables.reflect(engine)
    counts = {}
    with engine.begin() as connection:
        for table in tables.sorted_tables:
            if table.name == "alembic_version":
                continue
            if connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0:
                needed = [
                    column
                    for column in table.columns
                    if column.foreign_keys or not (column.nullable or column.server_default is not None)
                ]
                connection.execute(table.insert().values({column.name: value(column) for column in needed}))
            counts[table.name] = connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
    return counts


def value(column: sa.Column[Any]) -> Any:
    return next(found for kind, found in BY_TYPE.items() if isinstance(column.type, kind))


def test_upgrades_at_the_same_time_wait_for_each_other(postgres: Postgres) -> None:
    """Two hosts deploy at once: each runs `descent migrate` in a process of its own."""
    postgres.create_database("together")
    environment = os.environ | {"DESCENT_DATABASE_URL": postgres.url("together")}

    def deploy(_: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "descent.cli.operate", "migrate"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)

    with ThreadPoolExecutor(3) as pool:
        assert [(done.returncode, done.stderr) for done in pool.map(deploy, range(3))] == [(0, "")] * 3
    with psycopg.connect(postgres.url("together")) as connection:
        assert connection.execute("SELECT count(*) FROM installation").fetchone() == (1,)


def test_the_services_roles_are_neither_superusers_nor_owners(session: Session) -> None:
    rows = session.execute(
        sa.text(
            "SELECT rolname, rolsuper, rolbypassrls, (SELECT count(*) FROM pg_class WHERE relowner = r.oid)"
            " FROM pg_roles r WHERE rolname LIKE 'descent\\_%' ORDER BY rolname"
        )
    )
    assert [tuple(row) for row in rows] == [("descent_api", False, False, 0), ("descent_worker", False, False, 0)]


def test_the_api_sees_the_rows_of_one_project(session: Session) -> None:
    session.execute(sa.text("INSERT INTO project (id, name) VALUES ('prj_a', 'a'), ('prj_b', 'b')"))
    insert = (
        "INSERT INTO idempotency_key (project_id, key, request_sha256) VALUES ('prj_a', 'k', 's'), ('prj_b', 'k', 's')"
    )
    session.execute(sa.text(insert))
    session.commit()
    query = sa.text("SELECT project_id FROM idempotency_key ORDER BY 1")
    with session_scope("descent_api") as api:
        assert list(api.scalars(query)) == []
        set_project(api, "prj_b")
        assert list(api.scalars(query)) == ["prj_b"]
    with session_scope("descent_worker") as worker:
        assert list(worker.scalars(query)) == ["prj_a", "prj_b"]
