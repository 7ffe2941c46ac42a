"""Checkpoints written beside the training, one at a time."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import checkpoint, failpoints
from .checkpoint import Snapshot, Written
from .errors import CheckpointFailed

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Order:
    """A snapshot to be written and what its report says."""

    snapshot: Snapshot
    reason: str  # interval, final, pause, drain, best
    values: dict[str, Any]
    is_best: bool


class CheckpointWriter:
    """At most one write in flight. A best checkpoint that comes meanwhile waits, and gives way to a newer best one."""

    def __init__(self, directory: Path, attempt: int, report: Report) -> None:
        self._directory, self._attempt, self._report = directory, attempt, report
        self._thread: threading.Thread | None = None
        self._waiting_best: Order | None = None
        self._failed: CheckpointFailed | None = None
        self.written: dict[tuple[int, int], Written] = {}  # by (epoch, step)

    @property
    def busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def submit(self, order: Order) -> None:
        """Write soon: any order but one for the best weights waits here for those before it."""
        if order.reason == "best" and self.busy:
            self._waiting_best = order
            return
        self.flush()
        self._start(order)

    def flush(self) -> None:
        """Wait for all that was submitted."""
        self._join()
        if self._waiting_best is not None:
            order, self._waiting_best = self._waiting_best, None
            self._start(order)
            self._join()

    def finish(self) -> None:
        """Wait for all; raise the failure of the last write, if it failed."""
        self.flush()
        if self._failed is not None:
            raise self._failed

    def _start(self, order: Order) -> None:
        self._thread = threading.Thread(target=self._write, args=(order,), name="checkpoint", daemon=True)
        self._thread.start()

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _write(self, order: Order) -> None:
        snapshot = order.snapshot
        try:
            written = checkpoint.write(snapshot, self._directory, self._attempt)
        except CheckpointFailed as error:
            self._failed = error
            if order.is_best and self._waiting_best is None:
                self._waiting_best = order  # tried again before the next
            self._report(
                {"type": "event", "event": "checkpoint_failed", "level": "warning", "message": str(error),
                 "data": {"code": error.code, "epoch": snapshot.epoch, "step": snapshot.step}}
            )  # fmt: skip
            return
        self._failed = None
        self.written[(snapshot.epoch, snapshot.step)] = written
        self._report(
            {"type": "checkpoint", "path": written.path, "sha256": written.sha256, "bytes": written.bytes,
             "epoch": snapshot.epoch, "step": snapshot.step, "values": order.values, "is_best": order.is_best,
             "reason": order.reason}
        )  # fmt: skip
        failpoints.reach("after_checkpoint_report")
