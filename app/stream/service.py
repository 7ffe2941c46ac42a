"""A job's news as server-sent events: rows in the order of their seq, and the job itself whenever it changes."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

from app.checkpoints.repository import CHECKPOINT
from app.checkpoints.service import document as checkpoint_document
from app.database import ProjectSession
from app.jobs.lifecycle import ENDED
from app.jobs.service import documents, find
from app.notifications import Notifications
from app.records import repository
from app.records.service import EPOCHS, EVENTS, STEPS
from app.rendering import render

KINDS = ("epoch", "step", "status", "event", "checkpoint")
BATCH = 500
KEEP_ALIVE_SECONDS = 15.0


@dataclass(frozen=True)
class Batch:
    """Rows in the order of their seq, as (kind, seq, document); `more` when there are further ones already."""

    rows: list[tuple[str, int, dict[str, Any]]]
    job: dict[str, Any]
    more: bool

    @property
    def over(self) -> bool:
        return not self.more and self.job["status"] in ENDED


def next_batch(session: ProjectSession, job_id: str, after_seq: int, kinds: Collection[str]) -> Batch:
    """What has come since `after_seq`. Raises NotFound."""
    row = find(session, job_id)  # asked first: the rows are there before the end is
    job = documents(session, [row], full=False)[0]
    sources = {
        "epoch": (EPOCHS.table, EPOCHS.document),
        "step": (STEPS.table, STEPS.document),
        "event": (EVENTS.table, EVENTS.document),
        "checkpoint": (CHECKPOINT, lambda found: checkpoint_document(found, row)),
    }
    horizon: int | None = None
    rows: list[tuple[str, int, dict[str, Any]]] = []
    for kind, (table, document) in sources.items():
        if kind not in kinds:
            continue
        found = repository.rows_after(session, table, job_id, after_seq, BATCH)
        if len(found) > BATCH:  # what lies beyond waits, so that nothing overtakes it
            found = found[:BATCH]
            horizon = min(horizon or found[-1]["seq"], found[-1]["seq"])
        rows += [(kind, one["seq"], document(one)) for one in found]
    rows = sorted((one for one in rows if horizon is None or one[1] <= horizon), key=lambda one: one[1])
    return Batch(rows, job, horizon is not None)


async def follow(
    notifications: Notifications,
    job_id: str,
    after_seq: int,
    kinds: Collection[str],
    look: Callable[[int], Awaitable[Batch]],
    still_allowed: Callable[[], Awaitable[object]],
) -> AsyncIterator[bytes]:
    """Frames until the job has ended and everything is told. `look(after_seq)` reads, `still_allowed` raises if not."""
    version = None
    with notifications.subscribe(job_id) as news:
        while True:
            news.clear()
            await still_allowed()
            batch = await look(after_seq)
            for kind, seq, document in batch.rows:
                after_seq = seq
                yield frame(kind, document, seq)
            if not batch.more and "status" in kinds and batch.job["version"] != version:
                version = batch.job["version"]
                yield frame("status", batch.job, None)
            if batch.over:
                return
            if not batch.more and not await notifications.wait(news, KEEP_ALIVE_SECONDS):
                yield b": still here\n\n"


def frame(kind: str, document: dict[str, Any], seq: int | None) -> bytes:
    """One event; a status has no id of its own, so that a client goes on at the last row it has."""
    number = b"" if seq is None else b"id: %d\n" % seq
    return number + b"event: " + kind.encode() + b"\ndata: " + render(document) + b"\n\n"
