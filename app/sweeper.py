"""The sweeper: a thread that takes back expired leases and rings for queued jobs. Any number of copies are safe."""

import logging
import os
import signal
import threading
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from app import installation
from app.database import session_scope
from app.jobs import leases
from app.queue import ring
from app.settings import get_settings

logger = logging.getLogger(__name__)

SOONEST_SECONDS = 0.1
"""Between two sweeps, where a slice ends."""

Chore = Callable[[], object]


def stop_this_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


class Sweeper:
    """Runs each `sweep_seconds`, or at once when poked. A chore is done before each sweep.

    Nothing is done before database and store were found to belong together; where they do not, the process stops.
    """

    def __init__(self, chore: Chore = lambda: None, refuse: Chore = stop_this_process) -> None:
        self._chore, self._refuse = chore, refuse
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
                seconds = min(seconds, sweep_once())
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


def sweep_once() -> float:
    """A sweep and a dispatch; the rings go out after the commit. In how many seconds to look again, at the latest."""
    with session_scope("descent_worker") as session:
        taken_back = leases.sweep(session, get_settings().lease_seconds)
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
