"""Who is asking: what a key is allowed, remembered for a few seconds so that polling costs no query for it."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

REMEMBERED_SECONDS = 5.0
"""A revocation reaches the other processes by NOTIFY, and at the latest after this time."""
MAX_REMEMBERED = 10_000


@dataclass(frozen=True)
class Principal:
    """A key that was found to be good."""

    key_id: str
    name: str
    scopes: frozenset[str]
    projects: tuple[str, ...] | None
    """The projects it is for; None: all of them."""
    default_project: str | None
    """Where its requests go when they name no project."""
    expires_at: datetime | None = None
    jobs: frozenset[str] | None = None
    """A token's: the only jobs it may read."""
    rates: Mapping[str, int] = field(default_factory=dict)
    """Requests a minute, for those of its projects that are limited."""

    def may_enter(self, project_id: str) -> bool:
        return self.projects is None or project_id in self.projects


class Remembered:
    """Principals by the hash of their key."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[float, Principal]] = {}
        self._lock = threading.Lock()

    def get(self, key_sha256: str) -> Principal | None:
        entry = self._found.get(key_sha256)
        return entry[1] if entry is not None and entry[0] > time.monotonic() else None

    def put(self, key_sha256: str, principal: Principal) -> None:
        with self._lock:
            if len(self._found) >= MAX_REMEMBERED:
                self._found.clear()
            self._found[key_sha256] = (time.monotonic() + REMEMBERED_SECONDS, principal)

    def clear(self) -> None:
        with self._lock:
            self._found.clear()


remembered = Remembered()
