"""When the loss is no longer finite: fail, go on, or go back to a sound epoch's end with smaller rates."""

import math
from typing import TYPE_CHECKING, Any

from torch import Tensor

from . import failpoints, state
from .errors import Diverged
from .optimizers import learning_rates, scale_learning_rates
from .packing import STATE, pack, unpack

if TYPE_CHECKING:
    from .trainer import Trainer


class Divergence:
    """`on_divergence`. A rollback goes to the end of the newest epoch whose loss was at most twice the lowest.

    So it depends on the rows alone, not on the checkpoints that the clock has made. Later epochs are trained again.
    Where that is before the phase that diverged, it is the phase that begins with smaller rates when it comes again.
    """

    def __init__(self, trainer: "Trainer") -> None:
        self._trainer = trainer
        answer = trainer.config.training.on_divergence
        self.tolerated = answer == "continue"
        self._rollback: dict[str, Any] | None = answer if isinstance(answer, dict) else None
        self._times = 0
        self._anchor: tuple[dict[str, Tensor], Any] | None = None  # tensors and packed content
        self._remembering = False
        self._lowest = math.inf
        self._factors: dict[int, float] = {}  # by phase: of the rates that it begins with

    def remember(self, loss: float | None = None) -> None:
        """Keep this moment to come back to: the start, or the end of an epoch of this loss, if it is sound."""
        if self._rollback is None:
            return
        if loss is not None:
            if loss > self._lowest + abs(self._lowest):
                return
            self._lowest = min(loss, self._lowest)
        self._remembering = True
        moment = state.snapshot(self._trainer)
        self._remembering = False
        self._anchor = (moment.tensors, moment.metadata["descent"]())

    def recover(self, diverged: Diverged) -> None:
        """Go back, or raise."""
        trainer, rollback = self._trainer, self._rollback
        if rollback is None or self._anchor is None or self._times >= rollback.get("max_times", 3):
            raise diverged
        self._times += 1
        phase, factor = trainer.progress.phase, rollback.get("lr_factor", 0.5)
        tensors, packed = self._anchor
        best, seconds = trainer.tracking.best, trainer.progress.seconds + trainer.record.tick()
        state.restore(trainer, tensors, {"descent": packed})
        trainer.progress.seconds = seconds  # the time is spent: `max_seconds` counts it
        trainer.tracking.best.learn_from(best)  # an anchor is older than the files of what it knows as the best
        trainer.saving.rolled_back()
        if phase == trainer.progress.phase:
            scale_learning_rates(trainer.learner.optimizer, trainer.learner.scheduler, factor)
        else:
            self._factors[phase] = self._factors.get(phase, 1.0) * factor
        self.remember()  # with the smaller rates: a second divergence makes them smaller still
        rates = learning_rates(trainer.learner.optimizer)
        message = f"{diverged}; back to the end of epoch {trainer.progress.epochs_done} with learning rates {rates}"
        now = trainer.progress
        back = {"epoch": now.epochs_done, "step": now.step, "phase": now.phase}
        content = {**diverged.detail(), "times": self._times, "back_to": back, "learning_rates": rates}
        content["best"] = trainer.tracking.best.report()
        if phase != trainer.progress.phase:
            message += f", and phase {phase} will begin with {self._factors[phase]:g} times its own"
            content |= {"phase": phase, "factor": self._factors[phase]}
        trainer.event("rolled_back", message, content, "warning")
        failpoints.reach("after_rollback")
        trainer.saving.save("interval")  # those that came later are not the run's own any more

    def entered(self, phase: int) -> None:
        """A phase begins, perhaps again."""
        if phase in self._factors:
            learner = self._trainer.learner
            scale_learning_rates(learner.optimizer, learner.scheduler, self._factors[phase])

    def state(self) -> Any:
        """The anchor inside a checkpoint; an anchor holds none itself."""
        if self._rollback is None or self._remembering or self._anchor is None:
            return None
        tensors, packed = self._anchor
        factors = [[phase, factor] for phase, factor in self._factors.items()]
        counted = {"times": self._times, "lowest": self._lowest, "factors": factors}
        return {**counted, "tensors": tensors, "content": unpack(packed, tensors)}

    def load(self, saved: Any) -> None:
        """Take up the anchor of a checkpoint."""
        if self._rollback is None or saved is None:
            return
        self._times, self._lowest = saved["times"], saved["lowest"]
        self._factors = dict(saved.get("factors", []))  # which an older checkpoint has not
        weights = {name: tensor for name, tensor in saved["tensors"].items() if not name.startswith(STATE)}
        self._anchor = (weights, pack(saved["content"], weights))  # which adds all else, as when it was made
