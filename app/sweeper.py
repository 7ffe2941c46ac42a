"""The sweeper: a thread that takes back expired leases and rings for queued jobs. Any number of copies are safe."""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app import installation
from app.database import session_scope
from app.jobs import leases
from app.queue import ring
from app.settings import get_settings

logger = logging.getLogger(__name__)

GAP_SECONDS = 5.0
SOONEST_SECONDS = 0.1
"""Between two sweeps, where a slice ends."""

Chore = Callable[[], object]


class Contact:
    """Whether leases can be judged by: nobody could extend one while the database did not answer.

    A start of the database is known to itself (`leases.sweep`); that it stood still, or that the network did, is seen
    here, by a gap between two answers.
    """

    def __init__(self) -> None:
        self._answered_at = time.monotonic()
        self._judges_at = 0.0

    def answered(self, lease_seconds: float) -> bool:
        """After a gap in which a lease may have run out, everybody gets one lease's time first."""
        now = time.monotonic()
        if now - self._answered_at > max(GAP_SECONDS, lease_seconds / 2):
            self._judges_at = now + lease_seconds
        self._answered_at = now
        return now >= self._judges_at


def stop_this_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


class Sweeper:
    """Runs each `sweep_seconds`, or at once when poked. A chore is done before each sweep.

    Nothing is done before database and store were found to belong together; where they do not, the process stops.
    """

    def __init__(self, chore: Chore = lambda: None, refuse: Chore = stop_this_process) -> None:
        self._chore, self._refuse = chore, refuse
        self._contact = Contact()
        self.checked = False
        self.wrong = False
        self._woken = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def poke(self) -> None:
        self._woken.set()

    def stop(self) -> None:
        self._stopping = True
        self._woken.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopping:
            self._woken.clear()
            seconds = get_settings().sweep_seconds
            try:
                if not self.checked:
                    installation.check()
                    self.checked = True
                self._chore()
                seconds = min(seconds, sweep_once(self._contact))
            except installation.WrongStore as error:
                self.wrong = True
                logger.error("stopped: %s", error)
                self._refuse()
                return
            except SQLAlchemyError as error:
                logger.warning("nothing swept: the database is away (%s)", type(error).__name__)
            except Exception:
                logger.exception("sweeping failed")
            self._woken.wait(seconds)


def sweep_once(contact: Contact) -> float:
    """A sweep and a dispatch; the rings go out after the commit. In how many seconds to look again, at the latest."""
    lease_seconds = get_settings().lease_seconds
    with session_scope("descent_worker") as session:
        session.execute(text("SELECT 1"))
        taken_back = leases.sweep(session, lease_seconds) if contact.answered(lease_seconds) else 0
    if taken_back:
        logger.warning("%d expired leases taken back", taken_back)
    with session_scope("descent_worker") as session:
        again = max(SOONEST_SECONDS, leases.share(session, get_settings().slice_seconds))
    with session_scope("descent_worker") as session:
        queues = leases.dispatch(session)
    for queue in queues:
        if not ring(queue):
            break  # the broker is away: the others would only wait for the same answer
    return again


def start() -> Callable[[], None]:
    """Sweep in the background; call what this returns to stop."""
    from app.projects.retention import Retention  # it deletes jobs as the API does: the workers need none of that

    sweeper = Sweeper(Retention())
    sweeper.start()
    return sweeper.stop
