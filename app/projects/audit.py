"""The trail of writes. An entry is committed with the write that it tells of, or not at all."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select

from app.database import ProjectSession
from app.ids import new_id
from app.lists import page
from app.models.base import Base

AUDIT = Base.metadata.tables["audit"]


@dataclass(frozen=True)
class Write:
    """A request that may change something."""

    key_id: str
    method: str
    path: str
    request_id: str


current_write: ContextVar[Write | None] = ContextVar("current_write", default=None)


def record(session: ProjectSession, target: str | None = None) -> None:
    """Note the request of this context as a write to the session's project."""
    write = current_write.get()
    if write is None or session.project_id is None:
        return
    values = {"key_id": write.key_id, "method": write.method, "path": write.path, "request_id": write.request_id}
    row = {"id": new_id("aud"), "project_id": session.project_id, "target": target, **values}
    session.execute(insert(AUDIT).values(row))


def listing(session: ProjectSession, *, after: str | None, limit: int, newest_first: bool) -> dict[str, Any]:
    column = AUDIT.c.id
    statement = select(AUDIT)
    if after is not None:
        statement = statement.where(column < after if newest_first else column > after)
    statement = statement.order_by(column.desc() if newest_first else column).limit(limit + 1)
    rows = [{"id": row["id"], "object": "audit", **row} for row in session.execute(statement).mappings()]
    return page(rows, limit)
