"""A trainer that has come to a rung of its sweep waits there until it is known whether it goes on."""

import logging
import time
from collections.abc import Collection
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from app.database import session_scope
from app.sweeps.rungs import rungs_of, verdict_at

logger = logging.getLogger(__name__)

GO_ON = "go"
"""What the trainer is told. One that is stopped is told `cancel`, like any other."""
WAIT_SECONDS = 10.0
"""After this the trainer goes on by itself: a decision that comes later stops it then."""


class Rungs:
    """The rungs before one attempt, as its supervisor sees them."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self.epochs: Collection[int] = self._ahead()
        self._waits_at: int | None = None
        self._since = 0.0

    def hear(self, report: dict[str, Any] | bytes) -> None:
        if self.epochs and isinstance(report, dict) and report["type"] == "epoch" and report["epoch"] in self.epochs:
            self._waits_at, self._since = report["epoch"], time.monotonic()

    def opened(self) -> bool:
        """Whether the trainer is to be told now to go on."""
        if self._waits_at is None:
            return False
        if time.monotonic() - self._since > WAIT_SECONDS:
            self._waits_at = None
            return False
        try:
            with session_scope("descent_worker") as session:
                verdict = verdict_at(session, self._job_id, self._waits_at)
        except SQLAlchemyError:
            return False  # the database is away: the trainer's own patience ends
        if verdict is None:
            return False
        self._waits_at = None
        return verdict

    def _ahead(self) -> Collection[int]:
        try:
            with session_scope("descent_worker") as session:
                return rungs_of(session, self._job_id)
        except SQLAlchemyError as error:
            logger.warning("%s does not wait at the rungs of its sweep: %s", self._job_id, type(error).__name__)
            return ()
