"""Which job is meant: `last`, an id, or the beginning of one."""

import re
from typing import TYPE_CHECKING

from descent.errors import DescentError

if TYPE_CHECKING:
    from descent.client import Client

ULID_LENGTH = 26


def find_job(client: "Client", text: str) -> str:
    """The id. Raises DescentError when no job, or more than one, is meant."""
    if text == "last":
        newest = client.jobs_page(limit=1)["data"]
        if not newest:
            raise DescentError("there are no jobs yet: descent submit FILE")
        return newest[0]["id"]
    beginning = text.removeprefix("job_").lower()
    if not re.fullmatch(f"[0-9a-z]{{1,{ULID_LENGTH}}}", beginning):
        raise DescentError(f"{text!r} is no job id: it looks like job_01k0a8m3x5v7w9y1z3b5d7f9h1, or `last`")
    if len(beginning) == ULID_LENGTH:
        return f"job_{beginning}"
    lowest = "job_" + beginning.ljust(ULID_LENGTH, "0")
    near = client.jobs_page(after=lowest, order="asc", limit=2)["data"]
    found = [job["id"] for job in near if job["id"].startswith(f"job_{beginning}")]
    if not found:
        raise DescentError(f"no job's id begins with {text!r}")
    if len(found) > 1:
        raise DescentError(f"{text!r} is the beginning of several ids, {found[0]} and {found[1]} among them")
    return found[0]
