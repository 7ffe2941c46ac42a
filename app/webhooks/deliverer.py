"""The thread that empties the outbox. Any number of copies are safe: each delivery is claimed by one at a time."""

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Event, Thread

import orjson
import psycopg
from sqlalchemy.exc import SQLAlchemyError

from app.database import session_scope
from app.settings import get_settings
from app.webhooks import outbox, sending, signing
from app.webhooks.outbox import Due

logger = logging.getLogger(__name__)

THREADS = 8
LOOK_SECONDS = 5.0
"""Retries come due without news."""
LISTEN_SECONDS = 0.5
"""How long a stop may take to be noticed."""
RECONNECT_SECONDS = 1.0
FORGET_SECONDS = 3600.0


class Deliverer:
    def __init__(self) -> None:
        self._places = BoundedSemaphore(THREADS)
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="webhooks", daemon=True)
        self._forgot_at = time.monotonic()

    def start(self) -> Callable[[], None]:
        """Deliver in the background; call what this returns to stop."""
        self._thread.start()

        def stop() -> None:
            self._stopping.set()
            self._thread.join(timeout=5)

        return stop

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with listening() as heard:
                    self._serve(heard)
            except (SQLAlchemyError, psycopg.Error, OSError) as error:
                logger.warning("webhooks wait: the database is away (%s)", type(error).__name__)
                self._stopping.wait(RECONNECT_SECONDS)
            except Exception:
                logger.exception("delivering webhooks failed")
                self._stopping.wait(RECONNECT_SECONDS)

    def _serve(self, heard: Callable[[], bool]) -> None:
        looked_at = 0.0
        more = True
        while not self._stopping.is_set():
            if more or time.monotonic() > looked_at + LOOK_SECONDS:
                looked_at = time.monotonic()
                more = self.look() > 0
            more = heard() or more

    def look(self) -> int:
        """Send what is due, as far as there are places; how many."""
        settle_sweeps()
        if time.monotonic() > self._forgot_at + FORGET_SECONDS:
            self._forgot_at = time.monotonic()
            with session_scope("descent_worker") as session:
                session.execute(outbox.FORGET)
        places = 0
        while places < THREADS and self._places.acquire(blocking=False):
            places += 1
        started = 0
        try:
            due = claim(places) if places else []
            for delivery in due:
                Thread(target=self._send, args=(delivery,), name="webhook", daemon=True).start()
                started += 1
        finally:
            for _ in range(places - started):
                self._places.release()
        return started

    def _send(self, due: Due) -> None:
        try:
            attempt(due)
        except SQLAlchemyError as error:
            logger.warning("%s was attempted, and nobody could be told: %s", due.id, type(error).__name__)
        except Exception:
            logger.exception("delivering %s failed", due.id)
        finally:
            self._places.release()


def claim(places: int) -> list[Due]:
    with session_scope("descent_worker") as session:
        return outbox.claim(session, places)


def attempt(due: Due) -> None:
    """No transaction is open while the receiver thinks."""
    body = orjson.dumps(due.payload)
    headers = signing.headers(due.secret, due.id, int(time.time()), body)
    answer = sending.post(due.url, headers, body)
    with session_scope("descent_worker") as session:
        outbox.note(session, due, answer, random.uniform(-1, 1))
    fields = {"webhook": due.webhook_id, "delivery": due.id, "attempt": due.attempts, "status": answer.status_code}
    logger.info("webhook %s", "delivered" if answer.accepted else "failed", extra=fields)


def settle_sweeps() -> None:
    with session_scope("descent_worker") as session:
        sweeps = outbox.held(session)
    for sweep_id in sweeps:
        with session_scope("descent_worker") as session:
            outbox.settle(session, sweep_id)


@contextmanager
def listening() -> Iterator[Callable[[], bool]]:
    """A function that waits a moment for news of the outbox; whether there was any."""
    url = get_settings().sqlalchemy_url.replace("postgresql+psycopg", "postgresql", 1)
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        connection.execute("LISTEN descent_webhook")

        def heard() -> bool:
            found = bool(list(connection.notifies(timeout=LISTEN_SECONDS, stop_after=1)))
            return bool(list(connection.notifies(timeout=0))) or found

        yield heard
