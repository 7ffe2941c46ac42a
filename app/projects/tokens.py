"""What a token may ask for: the jobs or the sweep it was made for, and nothing else."""

import re
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import parse_qs

from app.errors import Forbidden, NotFound
from app.projects.principals import Principal

JOB = re.compile(r"/v1/jobs/([^/]+)(?:/.*)?")
SWEEP = re.compile(r"/v1/sweeps/([^/]+)(?:/table)?")
COMPARE = "/v1/compare"


def check(caller: Principal, scope: MutableMapping[str, Any]) -> None:
    """Raises Forbidden for a route that is not about them, NotFound for another job or sweep. Keys pass."""
    if caller.jobs is None:
        return
    path = scope["path"]
    match = JOB.fullmatch(path) or SWEEP.fullmatch(path)
    if match is not None:
        wanted = [match[1]]
    elif path == COMPARE:
        wanted = parse_qs(scope["query_string"].decode("latin-1")).get("job_id", [])
    else:
        raise Forbidden("A token reads the jobs or the sweep that it was made for, and nothing else.")
    if not set(wanted) <= caller.jobs:
        raise NotFound("The token opens nothing of this id.")
