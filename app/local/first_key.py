"""The installation's first project and key, and further keys by the operator's hand."""

from collections.abc import Collection

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.database import get_engine
from app.errors import Unauthorized
from app.ids import new_id
from app.local.migrate import upgrade
from app.local.processes import StartError
from app.local.state import StateFolder
from app.projects import repository, service
from app.projects.principals import SCOPES


def prepare(state: StateFolder) -> str:
    """Migrate, and return the local key: the one of earlier starts while it is good, else a new one with all scopes."""
    try:
        upgrade()
        with Session(get_engine()) as session, session.begin():
            service.ensure_default_project(session)
            key = state.path / "key"
            if key.exists():
                try:
                    service.look_up(session, key.read_text().strip())
                    return key.read_text().strip()
                except Unauthorized:
                    pass  # revoked, or another database's
            text = service.create_key(session, "local start", SCOPES, None)
        state.write_private("key", text)
        return text
    except DBAPIError as error:
        raise StartError(f"the database cannot be used: {error.orig}") from error
    finally:
        get_engine().dispose()


def create(name: str, scopes: Collection[str], project: str | None) -> str:
    """A new key for all projects, or for one, named by its id or its name (made if it is missing)."""
    with Session(get_engine()) as session, session.begin():
        projects = None
        if project is not None:
            known = repository.project_exists(session, project)
            projects = [project if known else repository.add_project_if_missing(session, new_id("prj"), project)]
        else:
            service.ensure_default_project(session)
        return service.create_key(session, name, scopes, projects)
