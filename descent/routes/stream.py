"""Server-sent events: everything that happens to a job, over one connection that is made again when it breaks."""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import httpx

from descent.errors import NotReachable, ServiceFailure
from descent.numbers import decode
from descent.routes.jobs import HOLD_SECONDS, JobRef, JobRoutes, job_path
from descent.transport import Query, backoff
from descent.types import Feed, FeedEntry, StreamEvent


class StreamRoutes(JobRoutes):
    def stream(self, job: JobRef, *, after_seq: int = 0, kinds: Sequence[str] = ()) -> Iterator[StreamEvent]:
        """Rows by their seq, and the job itself (`status`) as it changes, until it has ended.

        `kinds`: some of epoch, step, status, event, checkpoint (default: all).
        """
        seen, broken = after_seq, 0
        lost_since: float | None = None
        while True:
            try:
                query: Query = {"kind": list(kinds), "after_seq": after_seq}
                headers = {"Last-Event-ID": str(seen), "Accept": "text/event-stream"}
                with self.transport.stream(f"{job_path(job)}/stream", query=query, headers=headers) as response:
                    if response.status_code == httpx.codes.NO_CONTENT:
                        return
                    for event in parse(response.iter_lines()):
                        seen = event["id"] or seen
                        lost_since, broken = None, 0
                        yield event
            except (NotReachable, ServiceFailure):
                lost_since = lost_since or time.monotonic()
                if time.monotonic() - lost_since > self.long_patience:
                    raise
                time.sleep(backoff(broken))
                broken += 1

    def feed_page(
        self, *, after: str | None = None, kinds: Sequence[str] = (), limit: int = 200, hold: float = 0
    ) -> Feed:
        """What changed in the project since the cursor `after` ("now", or everything), in the order of commits."""
        query: Query = {"after": after, "kind": list(kinds), "limit": limit, "wait": hold or None}
        patience = self.long_patience if hold else None
        return cast(Feed, self.transport.get("/v1/feed", query, hold=hold, patience=patience))

    def feed(self, *, after: str = "now", kinds: Sequence[str] = ()) -> Iterator[FeedEntry]:
        """Changes as they come, without end. `kinds`: some of job, epoch, event, checkpoint (default: all)."""
        while True:
            page = self.feed_page(after=after, kinds=kinds, hold=HOLD_SECONDS)
            yield from page["data"]
            after = page["cursor"]


def parse(lines: Iterable[str]) -> Iterator[StreamEvent]:
    """Frames of `field: value` lines, each ended by an empty one; an unfinished last one is dropped."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            fields[name] = f"{fields[name]}\n{value}" if name == "data" and "data" in fields else value
            continue
        if "data" in fields:
            yield {"id": int(fields.get("id") or 0), "type": fields.get("event", ""), "data": decode(fields["data"])}
        fields = {}
