"""Whether the workers of this host are alive, for a container's health check."""

import socket

from sqlalchemy import func, select, text

from app.database import session_scope
from app.models import Worker

BEATS_MISSED = text("interval '20 seconds'")


def workers_alive() -> bool:
    """True where a worker of this host has beaten lately. Errors: those of a database that is away."""
    alive = (
        Worker.host == socket.gethostname(),
        Worker.state != "gone",
        Worker.heartbeat_at > func.now() - BEATS_MISSED,
    )
    with session_scope("descent_worker") as session:
        return session.scalar(select(func.count()).select_from(Worker).where(*alive)) != 0
