"""The ledger of an attempt: a thread that writes what was reported and beats the lease, whatever the trainer does."""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import exc
from sqlalchemy.orm import Session

from app.database import get_engine
from app.jobs import leases
from app.jobs.leases import Group, Lease, LeaseLost, Resume, Written
from app.settings import get_settings
from worker.reporting import Recorder
from worker.training import failpoints

logger = logging.getLogger(__name__)

GROUP_SECONDS = 0.25
"""How late a row is written at most; the first ones of an attempt are written at once."""
RETRY_SECONDS = 0.5
SILENCE_SECONDS = 3600.0
"""Without any answer from the database for so long, the attempt is given up."""
AWAY = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, exc.InternalError)

Ending = Callable[[Session], None]
REQUESTS = {"cancelling": "cancel", "pausing": "pause"}


class StillOpen(Exception):
    """The server has not yet noticed that the connection of a transaction was lost."""


class Unknown(NamedTuple):
    """A transaction whose COMMIT has had no answer so far, and what it would come to."""

    transaction: str
    written: Written
    judged: bool
    last: bool


class Ledger:
    """Owned by one supervisor. While the database is away, everything waits here."""

    def __init__(self, lease: Lease, recorder: Recorder) -> None:
        self._lease, self._recorder = lease, recorder
        self._settings = get_settings()
        self._condition = threading.Condition()
        self._woken = False
        self._ending: Ending | None = None
        self._answered_at = time.monotonic()
        self._wrote_at = 0.0
        self._pending: Group | None = None
        """What is being written, again and again while the database is away."""
        self._unknown: Unknown | None = None
        self._thread = threading.Thread(target=self._run, name=f"ledger {lease.job_id}", daemon=True)
        self.request: str | None = None
        """What the job's row asks for: cancel | pause | preempt"""
        self.lost: str | None = None
        """Why nothing can be written any more."""
        self.broken: str | None = None
        """What the database refused: a fault of ours, which trying again does not mend."""

    def start(self) -> None:
        self._thread.start()

    def add(self, report: dict[str, Any] | bytes) -> None:
        """Take in a report or a piece of stderr; it is written soon."""
        with self._condition:
            self._recorder.add(report)
            self._condition.notify()

    def pass_over(self, older: Resume | None, message: str, data: dict[str, Any]) -> None:
        """A damaged checkpoint: the job goes on from an older one, or from the start."""
        with self._condition:
            self._recorder.event("checkpoint_corrupt", message, "warning", data)
            self._recorder.point_to(older)
            self._condition.notify()

    def wake(self) -> None:
        """Ask the database for requests now."""
        with self._condition:
            self._woken = True
            self._condition.notify()

    @property
    def backlog(self) -> int:
        return self._recorder.backlog

    @property
    def silent_seconds(self) -> float:
        return time.monotonic() - self._answered_at

    def quit(self, reason: str) -> None:
        """Stop without writing anything more."""
        with self._condition:
            self.lost = self.lost or reason
            self._condition.notify()

    def finish(self, ending: Ending, patience: Callable[[], float]) -> bool:
        """Write what is left, and the end, in one transaction. False: given up, or the lease was lost.

        `patience` tells how many seconds more the database is waited for.
        """
        with self._condition:
            self._ending = ending
            self._condition.notify()
        started = time.monotonic()
        while self._thread.is_alive() and time.monotonic() - started < patience():
            self._thread.join(0.1)
        if self._thread.is_alive():
            self.quit("the database is away")
            return False
        return self.lost is None and self.broken is None

    def _run(self) -> None:
        beaten_at = time.monotonic()
        while self.lost is None and self.broken is None:
            with self._condition:
                self._wait(beaten_at + self._settings.heartbeat_seconds)
                ending, self._woken = self._ending, False
            try:
                if self._transact(ending):
                    return
                beaten_at = time.monotonic()
            except LeaseLost as lost:
                self.lost = str(lost)
            except StillOpen:
                time.sleep(RETRY_SECONDS)
            except AWAY as error:
                logger.warning(
                    "%s waits for the database: %s", self._lease.job_id, type(error.__cause__ or error).__name__
                )
                if self.silent_seconds > SILENCE_SECONDS:
                    self.lost = "the database has not answered for an hour"
                time.sleep(RETRY_SECONDS)
            except Exception as error:
                logger.exception("rows of %s were refused", self._lease.job_id)
                self.broken = type(error).__name__

    def _wait(self, beat_at: float) -> None:
        """Until there is something to write and the last group is old enough, or to beat, or to end."""
        while not (self._ending or self._woken or self._pending or self.lost):
            now = time.monotonic()
            due = min(beat_at, self._wrote_at + GROUP_SECONDS if self._recorder.backlog else beat_at)
            if due <= now:
                return
            self._condition.wait(due - now)

    def _transact(self, ending: Ending | None) -> bool:
        """Write one group, and the end with the last one. True: the end is written."""
        with Session(get_engine("descent_worker"), expire_on_commit=False) as session:
            if self._unknown is not None and self._settle(session, self._unknown):
                return True
            last = False
            if self._pending is None:
                with self._condition:
                    self._pending = self._recorder.take()
                self._wrote_at = time.monotonic()
                last = ending is not None  # what was reported is all in this group
            with session.begin():
                transaction = leases.transaction_id(session)
                written = leases.write(session, self._lease, self._pending)
                verdict = self._recorder.verdict(self._pending, written, last)
                if verdict is not None:
                    leases.write(session, self._lease, verdict)
                if last and ending is not None:
                    ending(session)
                self._unknown = Unknown(transaction, written, verdict is not None, last)
                failpoints.reach("before_commit")
            failpoints.reach("after_commit")
            return self._settled(self._unknown)

    def _settle(self, session: Session, unknown: Unknown) -> bool:
        """Find out about a COMMIT without an answer, so that nothing is written twice. True: the end was in it."""
        with session.begin():
            happened = leases.committed(session, unknown.transaction)
        if happened is None:
            raise StillOpen
        if happened:
            return self._settled(unknown)
        self._unknown = None
        return False

    def _settled(self, unknown: Unknown) -> bool:
        self._unknown = self._pending = None
        self._answered_at = time.monotonic()
        written = unknown.written
        self.request = REQUESTS.get(written.held.status, written.held.request)
        with self._condition:
            self._recorder.written(written, unknown.judged)
        unlink(written.unlink)
        return unknown.last


def unlink(paths: list[str]) -> None:
    """Remove files whose rows are gone."""
    if paths:
        failpoints.reach("before_unlink")
    for path in paths:
        try:
            (get_settings().store_path / path).unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s not removed: %s", Path(path).name, error)
