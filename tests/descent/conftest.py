"""The real API on a loopback port, and the client that talks to it."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from sqlalchemy.orm import Session

from app.database import get_engine
from app.main import create_app
from app.previews import service as previews
from app.projects.principals import remembered
from app.projects.service import create_key, ensure_default_project
from descent import Client
from tests.app.conftest import SPEC, add_epoch, add_worker, end_job, run_job

__all__ = ["SPEC", "add_epoch", "add_worker", "end_job", "run_job"]


@dataclass(frozen=True)
class Address:
    url: str
    key: str

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("DESCENT_")}
        return kept | {"DESCENT_URL": self.url, "DESCENT_API_KEY": self.key}


@dataclass
class Server:
    """uvicorn in a thread, on a port of its own."""

    port: int
    server: uvicorn.Server
    thread: threading.Thread

    @classmethod
    def start(cls, port: int = 0) -> "Server":
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", port))
        config = uvicorn.Config(create_app(), log_config=None, timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        return cls(listening.getsockname()[1], server, thread)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join()


@pytest.fixture
def server(database: str, broker: str, store: Path) -> Iterator[Server]:
    remembered.clear()
    previews.remembered.clear()
    running = Server.start()
    yield running
    running.stop()
    for engine in (get_engine("descent_api", pool_size=20), get_engine()):
        engine.dispose()


@pytest.fixture
def address(server: Server, session: Session, monkeypatch: pytest.MonkeyPatch) -> Address:
    """Also in the environment, where the client and the commands look first."""
    ensure_default_project(session)
    key = create_key(session, "test", ("read", "write", "admin"), None)
    session.commit()
    found = Address(f"http://127.0.0.1:{server.port}", key)
    monkeypatch.setenv("DESCENT_URL", found.url)
    monkeypatch.setenv("DESCENT_API_KEY", found.key)
    return found


@pytest.fixture
def client(address: Address) -> Iterator[Client]:
    with Client() as opened:
        yield opened
