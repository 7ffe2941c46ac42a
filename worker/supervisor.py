"""One attempt, from the claim to its end: a trainer is started, heard, asked, and if need be killed."""

import logging
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app import storage
from app.blobs import blob_path
from app.database import session_scope
from app.datasets.references import Catalog
from app.jobs import leases
from app.jobs.leases import Claimed, Lease, LeaseLost, Resume
from app.projects import quotas
from app.settings import get_settings
from app.weights import references as weights
from worker.lease import AWAY, RETRY_SECONDS, Ledger
from worker.limits import Watch, lack_of_room
from worker.reporting import Recorder, jsonable
from worker.rungs import GO_ON, Rungs
from worker.trainer import News, Trainer, describe

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.1
CANCEL_SECONDS = 5.0
"""How long a trainer may take to stop when its job is cancelled."""
DRAIN_SECONDS = 60.0
"""How long it may take to save a checkpoint when the worker is told to stop."""
LAST_SECONDS = 10.0
"""How long it may take to exit after its `end`."""
START_SECONDS = 120.0
PREPARING = 6
"""Preparing data may take so many times `progress_seconds`."""
OUTAGE_ROWS = 20_000
"""With so many rows waiting for the database, the trainer waits too."""
GIVE_UP_SECONDS = 20.0
"""A worker told to stop waits for the database so long; then the lease runs out."""
Answer = TypeVar("Answer")
Fault = Literal["crash", "device_error", "unclear"]
DEVICE: Fault = "device_error"
DISK = ("disk_full", "checkpoint_failed")
FULL = 2
"""After so many checkpoints in a row without room the job stops and waits: its work would not be kept."""


def origin_of(claimed: Claimed, store: Path) -> dict[str, Any] | None:
    """The checkpoint that a fork starts from; its trainer says so where that is gone."""
    if claimed.origin is None:
        return None
    sha256 = claimed.origin.sha256 or "gone"
    return {"path": str(blob_path(store, sha256)), "sha256": sha256}


def weights_sha256(store: Path, path: str | None) -> str | None:
    """Of a checkpoint's model as the API hands it out; None where there is no such file."""
    try:
        return None if path is None else storage.weights_sha256(store / path)
    except OSError:
        return None


def newest_file(job_id: str) -> str | None:
    with session_scope("descent_worker") as session:
        return leases.newest_file(session, job_id)


@dataclass
class Outcome:
    """What became of a trainer: its own word, or why it was killed, or how it died."""

    end: dict[str, Any] | None = None
    killed: str | None = None
    """cancel | drain | hung | limit | lost"""
    death: str = ""
    status: int | None = None
    """As waitpid tells it; None when the warm parent died and took the trainer along."""


def fault_of(outcome: Outcome) -> Fault | None:
    """What may be this worker's doing: a trainer that died by itself, a device that failed it. None: it works.

    A trainer that was killed, for its memory or because it was asked to stop and did not, says nothing of the worker.
    """
    if outcome.end is not None:
        return DEVICE if (outcome.end.get("error") or {}).get("code") == DEVICE else None
    return "crash" if outcome.killed is None and outcome.status is not None else "unclear"


STOP_AND_GO_ON = ("requeue", "quota", "disk_full")
"""Requests that the trainer need not tell apart: a checkpoint at the next step, and an end."""


class GaveUp(Exception):
    """The database is away, and there is no time to wait for it: the lease runs out, and another attempt takes up."""


class Supervisor:
    """Runs in a thread of a slot; the ledger has one of its own."""

    def __init__(self, claimed: Claimed, channel: socket.socket, draining: Callable[[], bool], worker_id: str) -> None:
        self._worker_id = worker_id
        self.fault: Fault | None = "unclear"
        """At the end: a crash or a device error may be the worker's fault and not the job's."""
        self._claimed, self._channel, self._draining = claimed, channel, draining
        self._settings = get_settings()
        self._recorder = Recorder(claimed)
        self.ledger = Ledger(claimed.lease, self._recorder)
        self._rungs = Rungs(claimed.lease.job_id)
        self._full = 0
        self._watch = Watch(claimed.lease)

    @property
    def job_id(self) -> str:
        return self._claimed.lease.job_id

    def run(self) -> None:
        """The whole attempt. Whatever goes wrong here ends in the database, or by the lease running out."""
        self.ledger.start()
        try:
            self._sweep_up("a*")
            outcome = self._train_from_a_good_checkpoint()
            self._sweep_up(f"a{self._claimed.lease.attempt}")
            ending = self._ending(outcome)
        except GaveUp:
            self.ledger.quit("the database is away")
        except Exception as error:  # the ledger would beat the lease for ever
            logger.exception("supervising %s failed", self.job_id)
            outcome = Outcome(death=f"no trainer could be supervised: {type(error).__name__}")
            ending = self._ending(outcome)
        if self.ledger.lost is None and self.ledger.broken is None:
            self.fault = fault_of(outcome)
            self.ledger.finish(ending, self._patience)
        if self.ledger.broken is not None:
            self._fail(f"The rows could not be written ({self.ledger.broken}).")
        elif self.ledger.lost is not None:
            logger.warning("%s is given up: %s", self.job_id, self.ledger.lost)

    def ask(self, query: Callable[[], Answer]) -> Answer:
        """What the database says, once it does. Raises GaveUp when it is waited for no longer."""
        while True:
            try:
                return query()
            except AWAY as error:
                logger.warning("%s waits for the database: %s", self.job_id, type(error).__name__)
                if self.ledger.lost is not None or self._draining():
                    raise GaveUp from error
                time.sleep(RETRY_SECONDS)

    def _train_from_a_good_checkpoint(self) -> Outcome:
        """The newest checkpoint; while one turns out to be damaged, the one before; at last the start."""
        outcome = Outcome()
        candidates = [*self._claimed.checkpoints, None]
        lack = lack_of_room(self._settings.store_path, candidates[0])
        if lack is not None:
            return Outcome({"outcome": "failed", "error": {"code": "disk_full", "message": lack}, "best": None})
        for resume, older in zip(candidates, [*candidates[1:], None], strict=True):
            self._recorder.resume = resume
            outcome = self._train(resume)
            error = (outcome.end or {}).get("error")
            if resume is None or not error or error["code"] != "checkpoint_corrupt":
                return outcome
            message = f"Checkpoint {resume.id} is damaged and passed over: {error['message']}"
            data = {"checkpoint": resume.id, "epoch": resume.epoch, "step": resume.step}
            self.ledger.pass_over(older, message, data)
        return outcome

    def _train(self, resume: Resume | None) -> Outcome:
        trainer = Trainer(self._channel, self._order(resume))
        try:
            return self._follow(trainer)
        finally:
            trainer.close()

    def _order(self, resume: Resume | None) -> dict[str, Any]:
        lease, store, resolved = self._claimed.lease, self._settings.store_path, self._claimed.resolved_spec
        prefix = f"jobs/{lease.job_id}/"
        found = None
        if resume is not None:
            mine = resume.path.startswith(prefix)
            path = resume.path.removeprefix(prefix) if mine else str(store / resume.path)
            found = {"path": path, "sha256": resume.sha256}
        run = {
            "job": lease.job_id,
            "attempt": lease.attempt,
            "directory": str(store / prefix),
            "resume": found,
            "fork": origin_of(self._claimed, store) if resume is None else None,
            "same_environment": resolved["resources"]["resume_on"] == "same_environment",
            "spec_sha256": self._claimed.spec_sha256,
        }
        with session_scope("descent_worker") as session:
            most_parameters = quotas.most_parameters(session, lease.project_id)
        return {
            "resolved_spec": resolved,
            "project_id": lease.project_id,
            "datasets": self.ask(lambda: Catalog(lease.project_id, "descent_worker").as_json(resolved)),
            "weights": self.ask(lambda: weights.told(lease.project_id, resolved)),
            "store": str(store),
            "run": run,
            "rungs": list(self._rungs.epochs),
            "memory_bytes": self._watch.memory_bytes,
            "most_parameters": most_parameters,
        }

    def _follow(self, trainer: Trainer) -> Outcome:
        """Until the trainer is gone."""
        outcome = Outcome()
        asked: str | None = None
        asked_at = heard_at = time.monotonic()
        patience = max(START_SECONDS, PREPARING * self._settings.progress_seconds)
        while not trainer.gone:
            for news in trainer.poll(TICK_SECONDS):
                heard_at = time.monotonic()
                if isinstance(news, dict) and news["type"] == "end":
                    outcome.end = news
                    asked_at = heard_at
                    continue
                if isinstance(news, dict) and news["type"] == "started":
                    patience = self._settings.progress_seconds
                self.ledger.add(news)
                self._rungs.hear(news)
                self._count_full(news)
            if self._rungs.opened():
                trainer.ask(GO_ON)
            now = time.monotonic()
            muted = self.ledger.backlog > OUTAGE_ROWS
            trainer.mute(muted)
            exceeded = (self._watch.look(trainer.pid) or {}).get("code")
            wanted = self.ledger.request or ("drain" if self._draining() or exceeded else None)
            wanted = wanted or ("disk_full" if self._full >= FULL else None)
            if wanted is not None and wanted != asked:
                trainer.ask("preempt" if wanted in STOP_AND_GO_ON else wanted)
                asked, asked_at = wanted, now
            limits = {
                "lost": self.ledger.lost is not None or self.ledger.broken is not None,
                "cancel": asked == "cancel" and now - asked_at > CANCEL_SECONDS,
                "drain": (self._draining() or exceeded is not None) and now - asked_at > DRAIN_SECONDS,
                "limit": exceeded == "out_of_memory",
                "hung": not muted and now - heard_at > patience,
            }
            late = next((reason for reason, over in limits.items() if over), None)
            if outcome.end is not None:
                late = "late" if now - asked_at > LAST_SECONDS else None
            if late is not None and outcome.killed is None:
                outcome.killed = late
                trainer.kill()
        if outcome.killed is None and outcome.end is None:
            self._watch.bury(trainer.status)
            outcome.killed = "limit" if self._watch.error is not None else None
        self._watch.release()
        outcome.death, outcome.status = describe(trainer.status), trainer.status
        return outcome

    def _count_full(self, news: News) -> None:
        if isinstance(news, dict) and news["type"] == "checkpoint":
            self._full = 0
        elif isinstance(news, dict) and news["type"] == "event" and news["event"] == "checkpoint_failed":
            self._full += news["data"]["code"] == "disk_full"

    def _ending(self, outcome: Outcome) -> Callable[[Session], None]:
        """The last words to the database."""
        lease, end = self._claimed.lease, outcome.end
        exceeded = self._watch.error
        if exceeded is not None and (end is None or end["outcome"] == "stopped"):
            return lambda session: leases.fail(session, lease, exceeded)
        if end is not None:
            return self._told(lease, end)
        if outcome.killed == "cancel":
            return lambda session: leases.put_aside(session, lease, "cancelled", "stopped within a step")
        if outcome.killed == "drain":
            return lambda session: leases.put_aside(session, lease, "drained", "stopped before it could save")
        if outcome.killed == "hung":
            detail = f"no step was finished for {self._settings.progress_seconds:.0f} s"
            return lambda session: leases.interrupt(session, lease, "hung", detail)
        return lambda session: leases.interrupt(session, lease, "trainer_died", outcome.death)

    def _told(self, lease: Lease, end: dict[str, Any]) -> Callable[[Session], None]:
        """By the trainer's own `end`."""
        clean = jsonable(end)
        error = clean["error"]
        if clean["outcome"] == "succeeded":
            last_epoch = self._recorder.last_epoch
            ended = {key: clean[key] for key in ("best", "test", "stopped")}
            ended |= {"epochs": self._claimed.epochs, "reproduction": self._reproduction()}
            return lambda session: leases.succeed(session, lease, last_epoch=last_epoch, **ended)
        if clean["outcome"] == "stopped":
            cause = {"drain": "drained", "preempt": "preempted", "pause": "paused"}.get(clean["request"], "cancelled")
            return lambda session: leases.put_aside(session, lease, cause, "stopped at a step boundary")
        if error["code"] in DISK:
            return lambda session: leases.wait_for_disk(session, lease, error)
        if error["code"] == DEVICE:
            return lambda session: leases.interrupt(session, lease, DEVICE, error["message"])
        if error["code"] == "environment_differs":
            refused = (error["message"], self._worker_id, self._claimed.refused)
            return lambda session: leases.wait_for_environment(session, lease, *refused)
        if error["code"] == "checkpoint_corrupt":
            error = error | {"code": "internal"}
        return lambda session: leases.fail(session, lease, error, clean["best"])

    def _reproduction(self) -> dict[str, Any] | None:
        """What to compare with, for a job that trains another one again."""
        original, store = self._claimed.reproduces, self._settings.store_path
        if original is None:
            return None
        resumed = self._recorder.resume.path if self._recorder.resume else None
        mine = weights_sha256(store, self._recorder.newest_file or resumed)
        path = self.ask(lambda: newest_file(original))
        return {"job_id": original, "recorded": weights_sha256(store, path), "repeated": mine}

    def _fail(self, message: str) -> None:
        """A fault of ours that trying again would not mend."""
        error = {"code": "internal", "message": message, "detail": None}
        try:
            with session_scope("descent_worker") as session:
                leases.fail(session, self._claimed.lease, error)
        except (SQLAlchemyError, LeaseLost):
            logger.exception("the end of %s is not written; its lease runs out", self.job_id)

    def _patience(self) -> float:
        """A worker that is to stop does not wait for a database that is away."""
        return GIVE_UP_SECONDS if self._draining() else float("inf")

    def _sweep_up(self, attempts: str) -> None:
        """Half-written files of trainers that were killed: of all attempts before this one, then of its own."""
        folder = self._settings.store_path / "jobs" / self.job_id
        for path in folder.glob(f"{attempts}/.tmp-*"):
            path.unlink(missing_ok=True)
