"""What was used: device seconds of attempts, bytes that are stored now."""

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import RowMapping

from app.database import ProjectSession, set_project
from app.errors import InvalidPayload, PointedError
from app.lists import whole
from app.projects import repository as projects
from app.projects.principals import Principal
from app.usage import repository

By = Literal["project", "key", "job"]
DAYS = 30
"""Without `from`, the last thirty days."""


def report(
    session: ProjectSession,
    caller: Principal,
    *,
    by: By,
    since: datetime | None,
    until: datetime | None,
    after: str | None,
    limit: int,
) -> dict[str, Any]:
    """By project: all of the key's; by key or job: of the project at hand. Raises InvalidPayload."""
    until = until or datetime.now(UTC)
    since = since or until - timedelta(days=DAYS)
    if since >= until:
        raise InvalidPayload(
            "`from` must be before `to`.", errors=[PointedError(pointer="/from", detail="is too late")]
        )
    assert session.project_id is not None
    own = session.project_id
    if by == "project":
        found = projects.projects_after(session, caller.projects, after, limit)
        rows = []
        for project in found:
            set_project(session, project.id)  # row-level security: one project at a time
            row = repository.of_project(session, project.id, since, until)
            rows.append({"name": project.name, **document(project.id, row)})
    elif by == "key":
        rows = [document(own, row) for row in repository.by_key(session, own, since, until)]
        limit = len(rows)
    else:
        rows = [document(own, row) for row in repository.by_job(session, own, since, until, after, limit)]
    ids = {"project": "project_id", "key": "key_id", "job": "job_id"}
    bounds: dict[str, Any] = {"by": by, "from": since, "to": until}
    return whole(rows[:limit], ids[by]) | bounds | {"has_more": len(rows) > limit}


def document(project_id: str, row: RowMapping) -> dict[str, Any]:
    seconds = round(float(row["device_seconds"]), 3)
    whole = {name: int(row[name]) for name in row if name.endswith("bytes") or name in ("jobs", "attempts")}
    return {"object": "usage", "project_id": project_id, **row, **whole, "device_seconds": seconds}
