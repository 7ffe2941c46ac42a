"""Real servers for the tests: one Postgres and one Redis a test session, a fresh database for each test that asks."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.orm import Session

from app.database import get_engine
from app.local import migrate, processes
from app.local import postgres as postgres_module
from app.local import redis as redis_module
from app.local.postgres import Postgres
from app.local.redis import Redis
from app.queue import get_publisher
from app.settings import get_settings

TEMPLATE = "descent_template"


def clear_caches() -> None:
    """What the process remembers of its environment."""
    for cached in (get_settings, get_engine, get_publisher):
        cached.cache_clear()


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="descent-test-", dir="/tmp"))  # a socket's path has at most 107 bytes
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres(server_folder: Path) -> Iterator[Postgres]:
    """A server without fsync, with a template database that the migrations made."""
    server = Postgres(server_folder, server_folder, server_folder / "postgres.log", durable=False)
    server.create()
    process = server.start()
    server.wait(process)
    try:
        server.create_database(TEMPLATE)
        migrate_to(server.url(TEMPLATE))
        yield server
    finally:
        processes.stop({process: postgres_module.STOP})


def migrate_to(database_url: str, revision: str = "head") -> None:
    """Alembic in this process, as `descent migrate` does it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DESCENT_DATABASE_URL", database_url)
        clear_caches()
        migrate.upgrade(revision)
    clear_caches()


@pytest.fixture(scope="session")
def redis_url(server_folder: Path) -> Iterator[str]:
    server = Redis(server_folder, server_folder / "redis.log")
    process = server.start()
    server.wait(process)
    yield server.url
    processes.stop({process: redis_module.STOP})


@pytest.fixture
def database(postgres: Postgres, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a fresh database with all tables and the installation's row; DESCENT_DATABASE_URL names it."""
    name = f"test_{os.getpid()}_{abs(hash(request.node.nodeid)) % 10**12}"
    postgres.create_database(name, TEMPLATE)
    monkeypatch.setenv("DESCENT_DATABASE_URL", postgres.url(name))
    clear_caches()
    yield postgres.url(name)
    clear_caches()
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def session(database: str) -> Iterator[Session]:
    """The owner's session, which row-level security does not bind; what it writes is seen once it commits."""
    with Session(get_engine(), expire_on_commit=False) as opened:
        yield opened


@pytest.fixture
def broker(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty Redis; DESCENT_BROKER_URL names it."""
    import redis

    with redis.Redis(unix_socket_path=redis_url.removeprefix("redis+socket://")) as connection:
        connection.flushall()
    monkeypatch.setenv("DESCENT_BROKER_URL", redis_url)
    clear_caches()
    return redis_url


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkpoint store; DESCENT_STORE_URL names it."""
    folder = tmp_path / "store"
    folder.mkdir()
    monkeypatch.setenv("DESCENT_STORE_URL", str(folder))
    clear_caches()
    return folder


@pytest.fixture
def service(database: str, broker: str, store: Path) -> dict[str, str]:
    """Database, broker and store together: the environment for processes of the service."""
    return dict(os.environ)
