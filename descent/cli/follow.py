"""A job as it changes: what `watch` shows, and the demo too."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from descent.types import ENDED, EpochRow, Event, Job

if TYPE_CHECKING:
    from descent.client import Client

SHORTEST_ROUND = 0.15
"""Seconds between two looks, however fast the epochs are."""
QUEUED_HOLD = 3.0
"""Why a queued job waits changes without a new version of the job: look again this soon."""


@dataclass(frozen=True)
class Change:
    """The job, and the rows and events that are new since the last look."""

    job: Job
    rows: list[EpochRow]
    events: list[Event]


def follow(client: "Client", job_id: str, *, from_start: bool) -> Iterator[Change]:
    """Looks at the job until it has ended or is paused; without `from_start`, beginning with the newest row."""
    job = client.job(job_id)
    epoch_seq = event_seq = 0
    if not from_start:
        epoch_seq = job["latest"]["seq"] - 1 if job["latest"] else 0
        event_seq = max((event["seq"] for event in client.events(job_id)), default=0)
    while True:
        looked = time.monotonic()
        rows = client.epochs(job_id, after_seq=epoch_seq)
        events = client.events(job_id, after_seq=event_seq)
        epoch_seq = rows[-1]["seq"] if rows else epoch_seq
        event_seq = events[-1]["seq"] if events else event_seq
        yield Change(job, rows, events)
        if job["status"] in ENDED or job["status"] == "paused":
            return
        time.sleep(max(0.0, looked + SHORTEST_ROUND - time.monotonic()))
        job = client.job_changed(job, hold=QUEUED_HOLD if job["status"] == "queued" else 30.0)
