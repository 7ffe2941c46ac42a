"""Whether the service can do its work, who does it, and what waits."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from sqlalchemy.orm import Session

from app.database import ProjectSession
from app.errors import Conflict, NotFound
from app.jobs.repository import live_workers
from app.lists import whole
from app.operating import repository
from app.previews import service as previews
from app.projects import quotas
from app.projects import repository as projects
from app.projects.administration import everywhere
from app.projects.principals import Principal

Part = dict[str, Any]
Command = Literal["cordon", "uncordon", "drain"]


def readiness() -> tuple[bool, dict[str, Part]]:
    """Every part that the service needs, each with what is wrong with it."""
    parts = {"database": attempt(check_database), "broker": attempt(check_broker)}
    if parts["database"]["ok"]:
        parts |= attempt_all()
    return all(part["ok"] for part in parts.values()), parts


def attempt(check: Callable[[], Part]) -> Part:
    try:
        return check()
    except Exception as error:  # whatever it is, the part is not there
        return {"ok": False, "detail": f"away ({type(error).__name__})"}


def attempt_all() -> dict[str, Part]:
    def look() -> Part:
        with ProjectSession(None) as session:
            workers = [worker for worker in live_workers(session) if worker["state"] == "active"]
            alert = repository.alert(session)
            return {"migrations": check_migrations(session), "workers": workers, "alert": alert}

    found = attempt(look)
    if "workers" not in found:
        return {"migrations": found}
    kinds = {worker["queue"] for worker in found["workers"]}
    training, preview = bool(kinds - {previews.QUEUE}), previews.QUEUE in kinds
    told = {"store": {"ok": True, "detail": found["alert"]}} if found["alert"] is not None else {}
    return {
        **told,
        "migrations": found["migrations"],
        "training": {"ok": training, "detail": "live" if training else "no live worker takes training jobs"},
        "previews": {"ok": preview, "detail": "live" if preview else "no live worker takes previews"},
    }


def check_database() -> Part:
    with ProjectSession(None) as session:
        projects.database_time(session)
    return {"ok": True, "detail": "answers"}


def check_broker() -> Part:
    with previews.connect() as connection:
        connection.ping()
    return {"ok": True, "detail": "answers"}


def check_migrations(session: Session) -> Part:
    wanted, found = newest_revision(), repository.database_revision(session)
    return {"ok": wanted == found, "detail": f"at {found}" if wanted == found else f"at {found}, needs {wanted}"}


@lru_cache
def newest_revision() -> str | None:
    """The head of the migrations that came with this code."""
    from alembic.script import ScriptDirectory  # only where readiness is asked for

    import migrations

    return ScriptDirectory(str(Path(migrations.__file__).parent)).get_current_head()


def me(session: ProjectSession, principal: Principal) -> dict[str, Any]:
    """What the key may do, and where."""
    found = projects.list_projects(session, principal.projects)
    return {
        "object": "key",
        "id": principal.key_id,
        "name": principal.name,
        "scopes": sorted(principal.scopes),
        "projects": [{"id": project.id, "name": project.name} for project in found],
        "default_project": principal.default_project,
        "expires_at": principal.expires_at,
        "quotas": quotas.report(session, session.project_id or ""),
    }


def workers(session: ProjectSession) -> dict[str, Any]:
    """Workers that live, with the project's own jobs that they run."""
    rows = live_workers(session)
    running = repository.jobs_of_workers(session, [row["id"] for row in rows])
    data = [worker_document({**row}, running.get(row["id"], [])) for row in rows]
    return whole(data)


def command_worker(
    session: ProjectSession, caller: Principal, worker_id: str, command: Command
) -> tuple[dict[str, Any], bool]:
    """The worker, and whether it changed. It hears of it with its next heartbeat.

    Raises Forbidden (a worker is everybody's), NotFound, Conflict.
    """
    everywhere(caller)
    row = next((row for row in live_workers(session) if row["id"] == worker_id), None)
    if row is None:
        raise NotFound("There is no such live worker.")
    state = {"cordon": "cordoned", "uncordon": "active", "drain": "draining"}[command]
    if row["state"] == "draining" and command != "drain":
        raise Conflict("A worker that is draining ends; start another one.", code="state_conflict")
    changed = row["state"] != state
    if changed:
        reason = "an operator cordoned it" if command == "cordon" else None
        repository.set_worker_state(session, worker_id, state, reason)
    running = repository.jobs_of_workers(session, [worker_id]).get(worker_id, [])
    return worker_document({**row, "state": state}, running), changed


def worker_document(row: Mapping[str, Any], jobs: list[str]) -> dict[str, Any]:
    shown = ("host", "pid", "queue", "device", "slots", "labels", "state", "environment", "started_at", "heartbeat_at")
    return {"id": row["id"], "object": "worker", **{key: row[key] for key in shown}, "jobs": jobs}
