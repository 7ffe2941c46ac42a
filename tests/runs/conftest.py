"""Jobs moved as the API moves them, trained by real workers."""

from collections.abc import Callable
from typing import Any

import pytest

from app.database import ProjectSession
from tests.worker.conftest import workers

__all__ = ["act", "workers"]

PROJECT = "prj_a"


@pytest.fixture
def act() -> Callable[..., Any]:
    """act(function, ...): in a session of the project, committed, with what comes after the commit."""

    def act(function: Callable[..., Any], *arguments: Any, project: str = PROJECT, **options: Any) -> Any:
        with ProjectSession(project) as session:
            with session.begin():
                result = function(session, *arguments, **options)
            for later in session.after_commit:
                later()
        return result

    return act
