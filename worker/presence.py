"""A Celery process towards the database: its row and its heartbeat, the wake-ups that Postgres sends, the idle poll."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from app.database import session_scope
from app.jobs.leases import give_back, workers
from app.local.processes import born
from app.models import Worker
from app.queue import ring
from app.settings import get_settings
from worker.identity import Identity
from worker.slots import Slots

logger = logging.getLogger(__name__)

BEAT_SECONDS = 5.0
REQUEST_CHANNEL = "descent_request"
WORK_CHANNEL = "descent_work"


def process_facts(pid: int) -> dict[str, Any]:
    """By which another process of this host can tell whether this one is still the same."""
    return {
        "boot": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "pid_namespace": os.readlink("/proc/self/ns/pid"),
        "born": born(pid),
    }


class Presence:
    """Threads of a Celery process; `slots` is None where nothing is trained."""

    def __init__(self, me: Identity, slots: Slots | None) -> None:
        self._me, self._slots = me, slots
        self._consuming = threading.Event()
        self._stopped = threading.Event()
        self._registered = False

    def start(self) -> None:
        threading.Thread(target=self._every, args=(BEAT_SECONDS, self._beat), name="presence", daemon=True).start()
        if self._slots is not None:
            poll_seconds = get_settings().poll_seconds
            slots = self._slots
            threading.Thread(target=self._every, args=(poll_seconds, slots.poll), name="poll", daemon=True).start()
            threading.Thread(target=self._listen_for_ever, name="requests", daemon=True).start()

    def consuming(self) -> None:
        """The queue is taken up: from now on we count as a worker."""
        self._consuming.set()

    def leave(self) -> None:
        """Say goodbye, if the database listens."""
        self._stopped.set()
        try:
            with session_scope("descent_worker") as session:
                workers.leave(session, [self._me.worker_id])
        except SQLAlchemyError as error:
            logger.warning("left without a goodbye: %s", type(error).__name__)

    def _every(self, seconds: float, act: Callable[[], None]) -> None:
        self._consuming.wait(seconds)
        while not self._stopped.is_set():
            try:
                act()
            except SQLAlchemyError as error:
                logger.warning("the database is away (%s)", type(error).__name__)
            except Exception:
                logger.exception("a chore failed")
            self._stopped.wait(seconds)

    def _beat(self) -> None:
        if not self._consuming.is_set():
            return
        with session_scope("descent_worker") as session:
            state = workers.beat(session, self._me.worker_id) if self._registered else None
            if state is None:
                workers.register(session, self._row())
                self._registered = True
        if self._slots is not None:
            was, self._slots.cordoned = self._slots.cordoned, state == "cordoned"
            if was and not self._slots.cordoned:
                self._slots.poll()
            if state == "draining":
                self._slots.draining.set()

    def _row(self) -> dict[str, Any]:
        return {
            "id": self._me.worker_id,
            "host": self._me.host,
            "pid": os.getpid(),
            "queue": self._me.queue,
            "device": self._me.device,
            "slots": self._me.slots,
            "labels": list(self._me.labels),
            "state": "active",
            "environment": {"process": process_facts(os.getpid())},
        }

    def _listen_for_ever(self) -> None:
        """Requests reach the ledgers at once this way, and lost jobs other hosts; both are found later otherwise."""
        while not self._stopped.is_set():
            try:
                self._listen()
            except (psycopg.Error, OSError) as error:
                logger.warning("the listening connection is away: %s", type(error).__name__)
            time.sleep(1)

    def _listen(self) -> None:
        assert self._slots is not None
        with psycopg.connect(get_settings().database_url, autocommit=True, connect_timeout=10) as connection:
            connection.execute(f"LISTEN {REQUEST_CHANNEL}".encode())
            connection.execute(f"LISTEN {WORK_CHANNEL}".encode())
            self._slots.wake()  # something may have been asked while nobody listened
            while True:
                for notice in connection.notifies(timeout=20):
                    if notice.channel == REQUEST_CHANNEL:
                        self._slots.wake(notice.payload)
                    elif notice.payload == self._me.queue:
                        self._slots.poll()
                connection.execute("SELECT 1")  # a connection cut in silence shows itself


def bury_the_dead() -> None:
    """Give back at once what processes of this host held that are no more, instead of waiting for their leases."""
    host = socket.gethostname()
    with session_scope("descent_worker") as session:
        dead = [worker.id for worker in workers.on_host(session, host) if is_dead(worker)]
        if not dead:
            return
        queues = give_back(session, dead, detail="the worker process died")
        workers.leave(session, dead)
    logger.warning("%d dead workers on this host", len(dead))
    for queue in queues:
        ring(queue)


def is_dead(worker: Worker) -> bool:
    """True only where this process would see it if it were alive: same boot, same numbering of processes."""
    theirs = (worker.environment or {}).get("process")
    if theirs is None:
        return False
    ours = process_facts(worker.pid)
    same_place = all(ours[key] == theirs.get(key) for key in ("boot", "pid_namespace"))
    return same_place and bool(ours["born"] != theirs.get("born"))
