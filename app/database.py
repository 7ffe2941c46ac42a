"""Engines and sessions; each kind of process takes up its own database role on connecting."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import Literal

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.orm import Session, SessionTransaction

from app.settings import get_settings

current_key: ContextVar[str] = ContextVar("current_key", default="")
"""The key that asks, in the context of its request."""

Role = Literal["descent_api", "descent_worker"]

NOTICES_A_SPLIT = {"keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 2, "tcp_user_timeout": 15_000}
"""A network that swallows packets is an error within 15 s (ms for tcp_user_timeout), not when TCP gives up."""


@lru_cache
def get_engine(role: Role | None = None, pool_size: int = 10) -> Engine:
    """The pool of a role (None: the owner, for migrations). One attempt's writes never wait for another's for long."""
    options = "-c timezone=UTC -c lock_timeout=20s -c idle_in_transaction_session_timeout=60s"
    if role is not None:
        options += f" -c role={role}"
    return create_engine(
        get_settings().sqlalchemy_url,
        pool_size=pool_size,
        max_overflow=10,
        pool_pre_ping=True,
        hide_parameters=True,  # an error's text must not carry a spec into the logs
        connect_args={"options": options, "connect_timeout": 10, **NOTICES_A_SPLIT},
    )


@contextmanager
def session_scope(role: Role) -> Iterator[Session]:
    """A short transaction: committed at the end, rolled back on an error."""
    with Session(get_engine(role), expire_on_commit=False) as session, session.begin():
        yield session


def set_project(session: Session, project_id: str) -> None:
    """Row-level security shows this project's rows, and no others, until the transaction ends."""
    session.execute(text("SELECT set_config('descent.project', :project, true)"), {"project": project_id})


class ProjectSession(Session):
    """The API's session: whatever transaction it opens sees one project, and connects when the first query runs."""

    def __init__(self, project_id: str | None) -> None:
        super().__init__(get_engine("descent_api", pool_size=20), expire_on_commit=False)
        self.project_id = project_id
        self.after_commit: list[Callable[[], object]] = []
        """What to do once the rows are there, such as ringing the doorbell."""


@event.listens_for(ProjectSession, "after_begin")
def _enter_project(session: ProjectSession, transaction: SessionTransaction, connection: Connection) -> None:
    if session.project_id is not None:
        settings = "set_config('descent.project', :project, true), set_config('descent.key', :key, true)"
        connection.execute(text(f"SELECT {settings}"), {"project": session.project_id, "key": current_key.get()})
