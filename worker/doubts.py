"""A worker that doubts itself: it takes no jobs until a small training in a fresh process has worked."""

import logging
import socket
import tempfile
import threading
import time
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from app.database import session_scope
from app.jobs.leases import workers
from app.jobs.spec import builtin_facts, resolve, validate
from app.settings import get_settings
from worker.identity import Identity
from worker.trainer import Trainer

logger = logging.getLogger(__name__)

CRASHES = 3
"""Crashed attempts in a row, of so many different jobs."""
CHECK_SECONDS = 60.0
"""How long the small training may take."""
PAUSE_SECONDS = 30.0
MODEL = {"type": "Function", "expression": "(x - 3) ** 2", "initial": {"x": 0.0}}


class Doubts:
    """Counts what may be the worker's own fault."""

    def __init__(self, me: Identity, channel: socket.socket) -> None:
        self._me, self._channel = me, channel
        self._lock = threading.Lock()
        self._crashed: list[str] = []

    def add(self, job_id: str, fault: str | None) -> bool:
        """Take in how an attempt ended (None: well). True: the worker is cordoned now, and checks itself."""
        with self._lock:
            if fault == "unclear":
                return False
            if fault is None:
                self._crashed.clear()
                return False
            if job_id not in self._crashed:
                self._crashed.append(job_id)
            if fault == "crash" and len(self._crashed) < CRASHES:
                return False
            jobs, self._crashed = self._crashed, []
        reason = f"{len(jobs)} crashed attempts in a row" if fault == "crash" else "the device failed"
        try:
            with session_scope("descent_worker") as session:
                workers.doubt(session, self._me.worker_id, reason, jobs)
        except SQLAlchemyError:
            logger.exception("%s, and the database is away: not cordoned", reason)
            return False
        logger.error("cordoned: %s", reason)
        threading.Thread(target=self._check_until_sound, args=(reason,), name="self-check", daemon=True).start()
        return True

    def _check_until_sound(self, reason: str) -> None:
        while True:
            try:
                sound = self.is_sound()
                with session_scope("descent_worker") as session:
                    if sound:
                        workers.trust(session, self._me.worker_id, reason)
                    if not workers.is_cordoned(session, self._me.worker_id, reason):
                        return  # the next beat reads it
            except (OSError, SQLAlchemyError) as error:
                logger.warning("the self-check failed: %s", type(error).__name__)
            time.sleep(PAUSE_SECONDS)

    def is_sound(self) -> bool:
        """A training of a few steps on this worker's device, in a fork like any other."""
        with tempfile.TemporaryDirectory(prefix="descent-check-") as folder:
            trainer = Trainer(self._channel, order(self._me.queue, folder))
            ended, deadline = False, time.monotonic() + CHECK_SECONDS
            try:
                while not trainer.gone and time.monotonic() < deadline:
                    for news in trainer.poll(0.1):
                        if isinstance(news, dict) and news["type"] == "end":
                            ended = news["outcome"] == "succeeded"
            finally:
                trainer.close()
            return ended


def order(device: str, folder: str) -> dict[str, Any]:
    optimizer = {"type": "SGD", "lr": 0.1}
    document = {"model": MODEL, "optimizer": optimizer, "training": {"epochs": 3}, "resources": {"device": device}}
    resolved = resolve(validate(document), builtin_facts, cuda=device == "cuda")
    run = {"job": "job_check", "attempt": 1, "directory": folder, "resume": None, "spec_sha256": ""}
    return {"resolved_spec": resolved, "store": str(get_settings().store_path), "run": run}
