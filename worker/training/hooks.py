"""Hooks record and may ask to stop; they never change training state. What they remember is in every checkpoint."""

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from .schedules.range_test import GIVEN_WAY, smoothed, suggest

if TYPE_CHECKING:
    from .trainer import Trainer

Report = Callable[[dict[str, Any]], None]


class Hook(Protocol):
    def after_update(self, trainer: "Trainer", rates: list[float]) -> None:
        """After each update; `rates` were in force for it."""

    def state(self) -> Any:
        """JSON-able."""

    def load(self, state: Any) -> None: ...


class StepSeries:
    """A row each `log_every_steps` and each `validate_every_steps` updates."""

    def __init__(self, log_every: int | None, validate_every: int | None) -> None:
        self._log, self._validate = log_every, validate_every

    def wants(self, step: int) -> bool:
        return _due(step, self._log) or _due(step, self._validate)

    def after_update(self, trainer: "Trainer", rates: list[float]) -> None:
        step = trainer.progress.step
        if not self.wants(step):
            return
        trainer.fold()
        row = {
            "type": "step",
            "step": step,
            "epoch": trainer.progress.epoch,
            "train_loss": trainer.record.since_row.value,
            "learning_rates": rates,
            "gradient_norm": trainer.record.gradient_norm,
        }
        if _due(step, self._validate) and trainer.data is not None and trainer.data.validation is not None:
            row["validation_loss"] = trainer.evaluate(trainer.data.validation, whole=True)[0]
        trainer.record.since_row.total, trainer.record.since_row.samples = 0.0, 0
        trainer.report(row)

    def state(self) -> Any:
        return None

    def load(self, state: Any) -> None:
        pass


class RangeTestCurve:
    """Rate and loss of each update of a RangeTest; asks to stop when the loss has given way."""

    def __init__(self) -> None:
        self._rates: list[float] = []
        self._losses: list[float] = []

    def after_update(self, trainer: "Trainer", rates: list[float]) -> None:
        if not trainer.in_range_test:
            return
        self._losses += trainer.fold(tolerate=True)
        self._rates.append(rates[0])
        del self._losses[len(self._rates) :]  # an accumulated update counts once
        curve = smoothed(self._losses)
        if not math.isfinite(curve[-1]) or (len(curve) > 1 and curve[-1] > GIVEN_WAY * min(curve)):
            trainer.tracking.stopped = {"reason": "range_test", "epoch": trainer.progress.epoch}

    @property
    def begun(self) -> bool:
        return bool(self._rates)

    def result(self) -> dict[str, Any]:
        finite = [i for i, loss in enumerate(self._losses) if math.isfinite(loss)]
        suggested = suggest([self._rates[i] for i in finite], [self._losses[i] for i in finite])
        return {"suggested_learning_rate": suggested, "steps": len(self._rates), "last_learning_rate": self._rates[-1]}

    def state(self) -> Any:
        return [self._rates, self._losses]

    def load(self, state: Any) -> None:
        self._rates, self._losses = state


class Liveness:
    """Activity and progress for the supervisor, rarely enough to cost nothing."""

    ACTIVITY_SECONDS, PROGRESS_SECONDS = 0.3, 1.0

    def __init__(self, report: Report) -> None:
        self._report, self._said = report, ""
        self._activity_at = self._progress_at = -math.inf

    def activity(self, activity: str) -> None:
        now = time.monotonic()
        if activity != self._said and now - self._activity_at >= self.ACTIVITY_SECONDS:
            self._said, self._activity_at = activity, now
            self._report({"type": "activity", "activity": activity})

    def after_update(self, trainer: "Trainer", rates: list[float]) -> None:
        now = time.monotonic()
        if now - self._progress_at < self.PROGRESS_SECONDS:
            return
        self._progress_at = now
        self.activity("training")
        where = trainer.progress
        self._report({"type": "progress", "epoch": where.epochs_done, "step": where.step, "phase": where.phase})

    def state(self) -> Any:
        return None

    def load(self, state: Any) -> None:
        pass


def _due(step: int, every: int | None) -> bool:
    return every is not None and step % every == 0
