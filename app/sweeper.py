"""The sweeper: a thread that takes back expired leases and rings for queued jobs. Any number of copies are safe."""

import logging
import threading
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from app.database import session_scope
from app.jobs import leases
from app.queue import ring
from app.settings import get_settings

logger = logging.getLogger(__name__)

Chore = Callable[[], object]


class Sweeper:
    """Runs each `sweep_seconds`, or at once when poked. A chore is done before each sweep."""

    def __init__(self, chore: Chore = lambda: None) -> None:
        self._chore = chore
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
            try:
                self._chore()
                sweep_once()
            except SQLAlchemyError as error:
                logger.warning("nothing swept: the database is away (%s)", type(error).__name__)
            except Exception:
                logger.exception("sweeping failed")
            self._woken.wait(get_settings().sweep_seconds)


def sweep_once() -> None:
    """One sweep and one dispatch; the rings go out after the commit."""
    with session_scope("descent_worker") as session:
        taken_back = leases.sweep(session, get_settings().lease_seconds)
    if taken_back:
        logger.warning("%d expired leases taken back", taken_back)
    with session_scope("descent_worker") as session:
        leases.share(session, get_settings().slice_seconds)
    with session_scope("descent_worker") as session:
        queues = leases.dispatch(session)
    for queue in queues:
        if not ring(queue):
            return  # the broker is away: the others would only wait for the same answer


def start() -> Callable[[], None]:
    """Sweep in the background; call what this returns to stop."""
    from app.projects.retention import Retention  # it deletes jobs as the API does: the workers need none of that

    sweeper = Sweeper(Retention())
    sweeper.start()
    return sweeper.stop
