"""The epoch row: what an epoch's values are, and what is measured at its last update."""

import time
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .data import Batch
from .optimizers import learning_rates
from .requests import StopRequested
from .state import load_torch_random_state, torch_random_state
from .updates import Objective

if TYPE_CHECKING:
    from .trainer import Trainer


class EpochRows:
    """Values, measurements and reports of whole epochs."""

    def __init__(self, trainer: "Trainer") -> None:
        self._trainer = trainer
        self._is_function = trainer.config.model["type"] == "Function"
        self._telemetry = "groups" in trainer.config.training.telemetry
        self._group_norms: list[float | None] = []
        self._weights: list[list[Tensor]] = []  # of each group, before the update

    def update(self, window: list[Batch], last: bool) -> Tensor | None:
        """One update; the epoch's last one is measured. Returns the gradient norm where it is wanted."""
        trainer = self._trainer
        updater, optimizer = trainer.updater, trainer.learner.optimizer
        want_norm = last or trainer.steps.wants(trainer.progress.step + 1)
        if not self._is_function and not (self._telemetry and last):
            return updater.update(optimizer, window, want_norm)
        updater.before_step = self._before_step
        norm = updater.update(optimizer, window, want_norm)
        updater.before_step = None
        if self._telemetry and last:
            trainer.record.telemetry = {"groups": self._groups()}
            self._weights = []
        return norm

    def _before_step(self) -> None:
        if self._is_function:
            parameters = self._trainer.learner.parameters
            self._trainer.record.function = {
                "parameters": {name: p.item() for name, p in parameters.items()},
                "gradients": {name: 0.0 if p.grad is None else p.grad.item() for name, p in parameters.items()},
            }
        if self._telemetry:
            groups = self._trainer.learner.optimizer.param_groups
            self._group_norms = [_norm([p.grad for p in group["params"] if p.grad is not None]) for group in groups]
            # not earlier: a forward pass that keeps an embedding's norms changes weights too
            self._weights = [[p.detach().clone() for p in group["params"]] for group in groups]

    def _groups(self) -> list[dict[str, Any]]:
        found = []
        groups = self._trainer.learner.optimizer.param_groups
        for norm, old, group in zip(self._group_norms, self._weights, groups, strict=True):
            change = _norm([p.detach() - o for p, o in zip(group["params"], old, strict=True)])
            size = _norm(old)
            found.append(
                {"gradient_norm": norm, "update_ratio": change / size if change is not None and size else None}
            )
        return found

    def values(self) -> dict[str, Any]:
        """What may be monitored: losses and the metrics that are numbers. Raises StopRequested, as if nothing was."""
        before = torch_random_state(self._trainer.device)  # some layers draw in `eval()` too
        self._trainer.looked_up.remember()
        try:
            return self._values()
        except StopRequested:
            load_torch_random_state(before, self._trainer.device)
            self._trainer.looked_up.undo()
            raise

    def _values(self) -> dict[str, Any]:
        trainer = self._trainer
        self.metrics = trainer.record.metrics.compute("train", self._last())
        values: dict[str, Any] = {"train_loss": trainer.record.loss.value}
        part = None if trainer.data is None else trainer.data.validation
        if part is not None:
            loss, metrics = trainer.evaluate(part)
            values["validation_loss"] = loss
            self.metrics |= metrics.compute("validation", self._last())
            if trainer.learner.averaged is not None:
                values["ema_validation_loss"] = self._evaluate_averaged(trainer.learner.averaged.module)
        return values | {name: value for name, value in self.metrics.items() if isinstance(value, int | float)}

    def _evaluate_averaged(self, model: nn.Module) -> float | None:
        trainer = self._trainer
        assert trainer.data is not None
        assert trainer.data.validation is not None
        objective = Objective(model, trainer.learner.loss, trainer.config.training, trainer.device)
        return trainer.evaluate(trainer.data.validation, model, objective)[0]

    def _last(self) -> bool:
        return True  # whether a metric is kept for the last epoch is decided in `report`

    def report(self, values: dict[str, Any], last: bool) -> None:
        """Write the row."""
        trainer, record = self._trainer, self._trainer.record
        trainer.progress.seconds += record.tick()
        samples = record.loss.samples
        row = {
            "type": "epoch",
            "epoch": trainer.progress.epoch,
            "phase": trainer.progress.phase,
            "step": trainer.progress.step,
            "train_loss": values["train_loss"],
            "validation_loss": values.get("validation_loss"),
            "metrics": {name: v for name, v in self.metrics.items() if last or not name.endswith("confusion_matrix")},
            "learning_rates": record.learning_rates,
            "gradient_norm": record.gradient_norm,
            "samples": samples,
            "duration_seconds": record.seconds,
            "samples_per_second": samples / record.seconds if record.seconds else None,
            "finished_at": time.time(),
        }
        if "ema_validation_loss" in values:
            row["ema_validation_loss"] = values["ema_validation_loss"]
        if record.telemetry is not None:
            row["telemetry"] = record.telemetry
        trainer.report(row | record.function)

    def step_scheduler(self, scheduler: Any, values: dict[str, Any]) -> None:
        """An epoch's step of the schedule; a plateau's cut is an event."""
        trainer = self._trainer
        if not isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
            scheduler.step()
            return
        settings = trainer.config.phases[trainer.progress.phase].scheduler
        assert settings is not None
        monitor = settings.get("monitor") or "validation_loss"
        before = learning_rates(trainer.learner.optimizer)
        scheduler.step(values[monitor])
        after = learning_rates(trainer.learner.optimizer)
        if after != before:
            message = f"{monitor} has stopped improving: learning rate {before} -> {after}"
            content = {"epoch": trainer.progress.epoch, "monitor": monitor, "from": before, "to": after}
            trainer.event("learning_rate_reduced", message, content)


def _norm(tensors: list[Tensor]) -> float | None:
    dense = [t.coalesce()._values() if t.is_sparse else t for t in tensors]
    return float(nn.utils.get_total_norm(dense)) if dense else None
