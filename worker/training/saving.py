"""When checkpoints are written, and which of them is the best."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from . import state
from .writer import CheckpointWriter, Order

if TYPE_CHECKING:
    from .trainer import Trainer


class Saving:
    """Intervals by epochs, steps and seconds; the best epoch; the final, pause and drain checkpoints."""

    def __init__(self, trainer: "Trainer") -> None:
        self._trainer, self._settings = trainer, trainer.config.checkpoint
        run = trainer.config.run
        self._writer = CheckpointWriter(Path(run.directory), run.attempt, trainer.report)
        self._seconds = self._settings.seconds
        self._saved_at = time.monotonic()
        self._position: tuple[int, int, int] | None = None  # of the newest snapshot: (epoch, batch, step)
        self.last_path: str | None = None

    def after_update(self, clock_is_due: bool) -> None:
        """Write what is due inside an epoch."""
        every = self._settings.every_steps
        if every is not None and self._trainer.progress.step % every == 0:
            if (
                self._trainer.progress.batch < self._trainer.batches
            ):  # else the end of the epoch writes it, with its row
                self.save("interval")
        elif clock_is_due and self._trainer.progress.batch < self._trainer.batches:
            self.save("interval")

    def after_epoch(self, best: bool) -> None:
        """Write what is due between two epochs."""
        trainer = self._trainer
        if trainer.finished:
            return  # the final checkpoint comes now, and is the best one as well if this was the best epoch
        epochs, steps = self._settings.every_epochs, self._settings.every_steps
        due = (epochs is not None and trainer.progress.epochs_done % epochs == 0) or (
            steps is not None and trainer.progress.step % steps == 0
        )
        if due or trainer.world.agree(self.clock_is_due)[0]:
            self.save("interval")
        elif best and trainer.tracking.keeps_best:
            self.save("best")

    @property
    def clock_is_due(self) -> bool:
        """By the leader's clock."""
        return (
            self._seconds is not None and time.monotonic() - self._saved_at >= self._seconds and not self._writer.busy
        )

    def save(self, reason: str) -> None:
        """Snapshot now and write beside the training."""
        trainer = self._trainer
        where = trainer.progress
        position = (where.epoch, where.batch, where.step)
        if position == self._position:
            return  # this very moment has its checkpoint
        if reason != "best":
            self._writer.flush()  # so that the snapshot can say where the best one lies
        self._learn_paths()
        best = trainer.tracking.best
        is_best = best.epoch is not None and where.batch == 0 and best.epoch == where.epochs_done
        snapshot = state.snapshot(trainer)  # by all processes: each has something to tell
        if trainer.world.leads:
            self._writer.submit(Order(snapshot, reason, dict(trainer.tracking.values), is_best))
        self._position, self._saved_at = position, time.monotonic()
        if reason in ("final", "pause", "drain"):
            trainer.liveness.activity("checkpointing")

    def finish(self) -> None:
        """Wait until everything is on disk. Raises DiskFull or CheckpointFailed for the last one."""
        self._writer.finish()
        self._learn_paths()

    def rolled_back(self) -> None:
        """What was written after the moment that the training has gone back to is not its own any more.

        The moment itself will be written once more, and that file takes the place of the first one.
        """
        self._writer.flush()
        step, best = self._trainer.progress.step, self._trainer.tracking.best
        if best.step == step:
            best.path = best.sha256 = None
        for position in [position for position in self._writer.written if position[1] >= step]:
            del self._writer.written[position]
        self._position = None

    def wait(self) -> None:
        """Wait for what is in flight, whatever comes of it."""
        self._writer.flush()

    def _learn_paths(self) -> None:
        best, written = self._trainer.tracking.best, self._writer.written
        found = None if best.epoch is None or best.step is None else written.get((best.epoch, best.step))
        if found is not None and best.path is None:
            best.path, best.sha256 = found.path, found.sha256
        if written:
            self.last_path = list(written.values())[-1].path

    def resumed(self, resume: dict[str, str]) -> None:
        """The training stands at a checkpoint that was read."""
        where, best = self._trainer.progress, self._trainer.tracking.best
        self._position = (where.epoch, where.batch, where.step)
        self.last_path = resume["path"]
        if best.epoch is not None and best.path is None and where.batch == 0 and best.epoch == where.epochs_done:
            best.path, best.sha256 = resume["path"], resume.get("sha256")
