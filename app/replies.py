"""Replies about a job, kept in memory for as long as nothing happens to it: polling costs no query then.

A reply is kept when the hub was connected while it was read and heard nothing of the job meanwhile; it is forgotten
with the first news of the job, which the database sends with every new version of it. Without the hub nothing is kept
and nothing is found. A write of this process is heard of before its answer goes out: whoever has the answer never
meets a reply that is older.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from app.notifications import Notifications

MAX_BYTES = 32 * 2**20
MAX_REPLY_BYTES = 2**20

Scope = MutableMapping[str, Any]
Key = tuple[str, str, bytes]
"""Project, path and query."""


@dataclass(frozen=True)
class Reply:
    headers: list[tuple[bytes, bytes]]
    body: bytes
    tag: bytes | None
    route: Any
    """For the figures: what the request's scope has of it."""


class Replies:
    """All of it on the event loop: nothing changes while something is looked up."""

    def __init__(self, hub: Notifications) -> None:
        self._hub = hub
        self._jobs: OrderedDict[str, dict[Key, Reply]] = OrderedDict()
        self._bytes = 0
        self._writes = 0
        hub.on_job = self.forget
        hub.on_deaf = self.forget_all

    def get(self, job_id: str, key: Key) -> Reply | None:
        if not self._hub.hears():
            return None
        found = self._jobs.get(job_id, {}).get(key)
        if found is not None:
            self._jobs.move_to_end(job_id)
        return found

    @contextmanager
    def reading(self, job_id: str) -> Iterator["Reading"]:
        """Around the queries of a reply that might be kept."""
        with self._hub.subscribe(job_id) as news:
            heard, writes = self._hub.hears(), self._writes
            yield Reading(self, job_id, lambda: heard and not news.is_set() and writes == self._writes)

    def keep(self, job_id: str, key: Key, reply: Reply) -> None:
        kept = self._jobs.setdefault(job_id, {})
        if key not in kept:
            kept[key] = reply
            self._bytes += len(reply.body)
        while self._bytes > MAX_BYTES:
            self.forget(next(iter(self._jobs)))

    def forget(self, job_id: str) -> None:
        for reply in self._jobs.pop(job_id, {}).values():
            self._bytes -= len(reply.body)

    def forget_all(self) -> None:
        self._jobs.clear()
        self._bytes = 0

    def after_write(self) -> None:
        """Something was committed here: what was read before, or is being read, may be old."""
        self._writes += 1
        self.forget_all()


class Reading:
    """One reply in the making."""

    def __init__(self, replies: Replies, job_id: str, still_new: Callable[[], bool]) -> None:
        self._replies, self._job_id, self._still_new = replies, job_id, still_new

    def keep(self, scope: Scope, project: str, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        """For the same question of the same project, while nothing happens to the job."""
        query: bytes = scope["query_string"]
        if not self._still_new() or len(body) > MAX_REPLY_BYTES or b"token=" in query:
            return
        tag = next((value for name, value in headers if name == b"etag"), None)
        self._replies.keep(self._job_id, (project, scope["path"], query), Reply(headers, body, tag, scope["route"]))
