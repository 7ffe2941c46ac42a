"""Who a Celery process is, to the database and to itself."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Identity:
    """Who claims: one process of one device group."""

    worker_id: str
    host: str
    queue: str
    device: str
    slots: int
    labels: Sequence[str]
