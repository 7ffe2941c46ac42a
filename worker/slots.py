"""The slots of one Celery process: each takes one job after the other, as long as there are any."""

import logging
import socket
import threading
import time
from typing import Literal

from sqlalchemy.exc import SQLAlchemyError

from app.database import session_scope
from app.jobs import leases
from app.jobs.leases import Claimed
from app.queue import ring
from app.settings import get_settings
from worker.doubts import Doubts
from worker.identity import Identity
from worker.supervisor import Supervisor
from worker.training import failpoints

logger = logging.getLogger(__name__)

Did = Literal["trained", "nothing", "failed"]


class Slots:
    """A message, the idle poll and the end of a job all lead to `work`; a slot too many goes home at once."""

    def __init__(self, identity: Identity, channel: socket.socket) -> None:
        self._me, self._channel = identity, channel
        self._lock = threading.Lock()
        self._claiming = threading.Lock()
        self._busy = 0
        self._rung = False
        self._running: dict[str, Supervisor] = {}
        self._claim_unknown = False
        """A claim's COMMIT had no answer: we may hold a job that we do not know of."""
        self.draining = threading.Event()
        self.cordoned = False
        self._doubts = Doubts(identity, channel)

    def work(self) -> None:
        """Claim and train until nothing is left, if a slot is free."""
        with self._lock:
            if self._busy >= self._me.slots:
                self._rung = True  # a busy slot looks again before it goes
                return
            self._busy += 1
        while self._goes_on(self._one_job()):
            pass

    def _goes_on(self, did: Did) -> bool:
        with self._lock:
            if did == "trained" or (did == "nothing" and self._rung and not self.draining.is_set()):
                self._rung = False
                return True
            self._busy -= 1
            return False

    def wake(self, job_id: str | None = None) -> None:
        """There is a request for this job (None: perhaps for any)."""
        for running, supervisor in list(self._running.items()):
            if job_id in (None, running):
                supervisor.ledger.wake()

    def poll(self) -> None:
        """What a message would do, without the broker."""
        if self._busy < self._me.slots and not self.draining.is_set():
            threading.Thread(target=self.work, name="idle poll", daemon=True).start()

    def wait(self) -> None:
        """Until every slot is free."""
        while self._busy:
            time.sleep(0.05)

    def _one_job(self) -> Did:
        try:
            supervisor = self._claim()
            if supervisor is None:
                return "nothing"
            self._supervise(supervisor)
            return "trained"
        except SQLAlchemyError as error:
            logger.warning("nothing claimed: the database is away (%s)", type(error).__name__)
        except Exception:
            logger.exception("a slot failed")
        return "failed"

    def _claim(self) -> Supervisor | None:
        if self.draining.is_set() or self.cordoned:
            return None
        with self._claiming:
            if self._claim_unknown:
                self._give_back()
            self._claim_unknown = True
            failpoints.reach("before_claim")
            with session_scope("descent_worker") as session:
                claimed = leases.claim(
                    session,
                    queue=self._me.queue,
                    labels=self._me.labels,
                    worker_id=self._me.worker_id,
                    host=self._me.host,
                    device=self._me.device,
                    lease_seconds=get_settings().lease_seconds,
                )
            self._claim_unknown = False
            if claimed is not None:
                failpoints.reach("after_claim")
            return None if claimed is None else self._take(claimed)

    def _take(self, claimed: Claimed) -> Supervisor:
        supervisor = Supervisor(claimed, self._channel, self.draining.is_set, self._me.worker_id)
        self._running[claimed.lease.job_id] = supervisor
        return supervisor

    def _supervise(self, supervisor: Supervisor) -> None:
        try:
            supervisor.run()
        finally:
            self._running.pop(supervisor.job_id, None)
        if self._doubts.add(supervisor.job_id, supervisor.fault):
            self.cordoned = True  # at once; the row says so too, and the beat reads it there
        if self.draining.is_set():
            ring(self._me.queue)  # for the other workers

    def _give_back(self) -> None:
        with session_scope("descent_worker") as session:
            known = list(self._running)
            leases.give_back(session, [self._me.worker_id], known=known, detail="the claim's answer was lost")
        self._claim_unknown = False
