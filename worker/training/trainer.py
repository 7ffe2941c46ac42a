"""The training loop, and all that happens at its boundaries."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from . import checkpoint, data, environment, failpoints, fork, state
from .config import Config
from .data import Batch, Part
from .distributed import ALONE, World
from .divergence import Divergence
from .errors import CheckpointCorrupt, ConfigError, Diverged, EnvironmentDiffers, NoUpdate
from .evaluation import evaluate
from .hooks import Hook, Liveness, RangeTestCurve, Report, StepSeries
from .learner import Learner
from .looked_up import LookedUp
from .losses import require_labels
from .metrics import MetricSet
from .optimizers import learning_rates
from .record import EpochRecord, Progress
from .requests import REQUESTS, Requests, StopRequested
from .rows import EpochRows
from .saving import Saving
from .seeds import augmentation_generator, process_seed
from .tracking import Tracking, monitors, require_monitor
from .updates import Updater


class Trainer:
    """One attempt of one job: builds everything, takes up a checkpoint, trains to the end or to a request."""

    def __init__(self, config: Config, report: Report, requests: Requests, world: World = ALONE) -> None:
        self.config, self.report, self.requests, self.world = config, report, requests, world
        self.device = environment.configure(config, world.rank)
        self.environment = environment.fingerprint(self.device, world.size)
        self.data = None if config.data is None else data.load(config.data, self.device, config.run.memory_bytes)
        if self.data is not None:
            parts = (self.data.train, self.data.validation, self.data.test)
            require_labels(config.loss, [part.targets for part in parts if part is not None])
        settings = config.training
        if world.size > (1 if self.data is None else settings.batch_size):
            raise ConfigError("/resources/gpus", "each process needs a sample of every batch")
        batches = 1 if self.data is None else data.batches_per_epoch(len(self.data.train), settings)
        self.batches, self.steps_per_epoch = batches, -(-batches // settings.accumulate_steps)
        self.learner = Learner(config, self.device, self.steps_per_epoch)
        if not world.leads:
            torch.manual_seed(process_seed(config.seed, world.rank))
        self.progress = Progress()
        self.record = EpochRecord(MetricSet(config.metrics, config.loss), world)
        has_validation = self.data is not None and self.data.validation is not None
        self.tracking = Tracking(config, has_validation)
        self._check_plateau_monitors(has_validation)
        self.augmentation: data.Augmentation | None = None
        self.generator: torch.Generator | None = None  # of the open epoch's augmentation
        if config.augment and self.data is not None:
            part = self.data.train
            self.augmentation = data.Augmentation(config.augment, list(part.inputs.shape[1:]), part.weights is not None)
        self.rows = EpochRows(self)
        self.updater = Updater(
            self.learner.model, self.learner.objective, settings, self.learner.scaler, self.see, world
        )
        averaged = [] if self.learner.averaged is None else [self.learner.averaged.module]
        self.looked_up = LookedUp([self.learner.model, *averaged])
        self.liveness = Liveness(report)
        self.hooks: dict[str, Hook] = {"liveness": self.liveness}
        self.range_test: RangeTestCurve | None = None
        if any(phase.scheduler and phase.scheduler["type"] == "RangeTest" for phase in config.phases):
            self.range_test = self.hooks["range_test"] = RangeTestCurve()
        self.steps = StepSeries(settings.log_every_steps, settings.validate_every_steps)
        if settings.log_every_steps or settings.validate_every_steps:
            self.hooks["steps"] = self.steps  # after the curve, which wants each loss as it is folded in
        self.divergence = Divergence(self)
        self.saving = Saving(self)

    def run(self) -> dict[str, Any]:
        """Train. Returns the `end` report."""
        self.start()
        try:
            if self.tracking.stopped is not None:
                self.close_epoch()  # the last attempt went away between the end of this epoch and its row
            while not self.finished:
                try:
                    self.train_epoch()
                    self.close_epoch()
                except Diverged as diverged:
                    self.divergence.recover(diverged)
            return self.finish()
        except StopRequested as stop:
            if stop.request != "cancel":
                self.leave("pause" if stop.request == "pause" else "drain")
            return self.end("stopped", request=stop.request)

    def leave(self, reason: str) -> None:
        """A checkpoint to go on from. Raises Diverged."""
        try:
            self.saving.save(reason)
        except Diverged as diverged:  # by a loss that nobody had looked at yet
            self.divergence.recover(diverged)
            self.saving.save(reason)
        self.saving.finish()

    @property
    def finished(self) -> bool:
        return self.progress.epoch > self.config.epochs or self.tracking.stopped is not None

    @property
    def in_range_test(self) -> bool:
        """Whether the phase in force looks for the rate at which its loss gives way."""
        scheduler = self.learner.scheduler_config
        return scheduler is not None and scheduler["type"] == "RangeTest"

    def train_epoch(self) -> None:
        """The rest of the open epoch's updates."""
        progress, record = self.progress, self.record
        phase = self.config.phase_of(progress.epoch)
        if phase != progress.phase:
            self.learner.enter(phase)
            progress.phase = phase
            self.divergence.entered(phase)
        if record.learning_rates is None:
            record.learning_rates = learning_rates(self.learner.optimizer)
            if self.augmentation is not None:
                self.generator = augmentation_generator(self.config.seed, progress.epoch, self.device)
        by_step = self.learner.scheduler if self.learner.scheduler_interval == "step" else None
        hooks = list(self.hooks.values())
        for window in self.epoch().windows(progress.batch, self.config.training.accumulate_steps):
            last = progress.batch + len(window) == self.batches
            rates = learning_rates(self.learner.optimizer)
            norm = self.update(window, last)
            if by_step is not None:
                by_step.step()
            if self.learner.averaged is not None:
                self.learner.averaged.update_parameters(self.learner.model)
            progress.batch += len(window)
            progress.step += 1
            if norm is not None:
                record.gradient_norm = float(norm)
            if record.full and not self.in_range_test:  # which folds after each update, and wants to see all
                self.fold()
            for hook in hooks:
                hook.after_update(self, rates)
            self.at_boundary()
            if self.tracking.stopped is not None:
                break

    def update(self, window: list[Batch], last: bool) -> Tensor | None:
        """One update. Raises NoUpdate."""
        try:
            return self.rows.update(self.augmented(window), last)
        except (ArithmeticError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "without overflow" not in str(error):
                raise
            rates = learning_rates(self.learner.optimizer)
            raise NoUpdate(self.progress.epoch, self.progress.step, rates, str(error)) from error

    def augmented(self, window: list[Batch]) -> list[Batch]:
        """The batches as the model shall see them, or this process's pieces of them."""
        if self.augmentation is not None and self.generator is not None:
            window = [
                batch._replace(**self.augmentation(batch.inputs, batch.targets, self.generator)._asdict())
                for batch in window
            ]
        return [self.world.piece(batch) for batch in window]

    def see(self, loss: Tensor, outputs: Tensor | None, batch: Batch) -> None:
        """Take in a batch's loss and outputs, before the update."""
        self.record.add(loss, batch.size)
        if outputs is not None and self.record.metrics:
            outputs, targets = (self.world.whole(mine, batch.size) for mine in (outputs.detach(), batch.targets))
            self.record.metrics.add(outputs, targets)

    def at_boundary(self) -> None:
        """Between two steps: requests, time limits, checkpoints that are due."""
        failpoints.reach("step")
        limit = self.config.training.max_seconds
        late = limit is not None and self.progress.seconds + self.record.since_tick() >= limit
        due, over = self.heed(self.saving.clock_is_due, late)
        self.saving.after_update(bool(due))
        if over:
            self.tracking.stopped = {"reason": "max_seconds", "epoch": self.progress.epoch}

    def heed(self, *leaders: int) -> list[int]:
        """Leave the loop if that was asked for; else the leader's values. Raises StopRequested."""
        wanted, *values = self.world.agree(REQUESTS.index(self.requests.wanted), *leaders)
        if (request := REQUESTS[wanted]) is not None:
            raise StopRequested(request)
        return values

    def close_epoch(self) -> None:
        """Validate, step the schedule, write the row, keep what is best."""
        self.fold()
        if self.progress.batch < self.batches:
            return  # stopped inside the epoch: it has no row
        values = self.rows.values()
        best = self.tracking.see(values, self.progress.epoch, self.progress.step)
        last = self.progress.epoch == self.config.epochs or self.tracking.stopped is not None
        self.rows.report(values, last)
        if self.learner.scheduler is not None and self.learner.scheduler_interval == "epoch":
            self.rows.step_scheduler(self.learner.scheduler, values)
        self.progress.epoch += 1
        self.progress.batch = 0
        self.record.reset()
        failpoints.reach("after_epoch_row")
        self.divergence.remember(values["train_loss"])
        self.saving.after_epoch(best)
        if not self.finished:
            self.heed()

    def epoch(self) -> data.Epoch | data.OneStep:
        """The open epoch's batches."""
        if self.data is None:
            return data.OneStep()
        bucket = bool(self.config.model.get("bucket"))
        return data.Epoch.of(self.data.train, self.config.training, self.config.seed, self.progress.epoch, bucket)

    def fold(self, tolerate: bool = False) -> list[float]:
        """Bring the losses over from the device. Raises Diverged."""
        return self.record.fold(self.progress, tolerate or self.divergence.tolerated or self.in_range_test)

    def evaluate(
        self, part: Part, model: Any = None, objective: Any = None, *, whole: bool = False
    ) -> tuple[float | None, MetricSet]:
        """Loss and metrics of a part, by the weights in force or another model. Raises StopRequested."""
        self.liveness.activity("validating")

        def between() -> None:
            failpoints.reach("during_validation")
            if not whole:
                self.heed()

        metrics = MetricSet(self.config.metrics, self.config.loss)
        size = self.config.training.batch_size
        model, objective = model or self.learner.model, objective or self.learner.objective
        return evaluate(model, objective, part, size, metrics, between, self.world), metrics

    def start(self) -> None:
        """Take up the checkpoint to resume from, and say what this attempt is."""
        resumed, resume = None, self.config.run.resume
        if resume is not None:
            self.liveness.activity("recovering")
            directory = Path(self.config.run.directory)
            tensors, metadata = checkpoint.read(directory, resume["path"], resume.get("sha256"))
            saved = metadata["descent"]["environment"]
            differs = [key for key, value in self.environment.items() if saved.get(key) != value]
            if differs and self.config.run.same_environment:
                raise EnvironmentDiffers(differs)
            content = state.restore(self, tensors, metadata)
            self.divergence.load(content["anchor"])
            self.saving.resumed(resume)
            where = self.progress
            resumed = {"epoch": where.epochs_done, "step": where.step, "environment_differs": differs}
        else:
            if self.config.run.fork is not None:
                origin = self.config.run.fork
                tensors, metadata = checkpoint.read(Path("/"), origin["path"], origin["sha256"])
                grafted = fork.graft(self.learner, tensors, metadata)
                self.event("forked", fork.sentence(grafted), grafted)
            self.divergence.remember()
        self.report(
            {
                "type": "started",
                "environment": self.environment,
                "resumed": resumed,
                "steps_total": self.config.epochs * self.steps_per_epoch,
                "parameters": sum(parameter.numel() for parameter in self.learner.parameters.values()),
            }
        )

    def finish(self) -> dict[str, Any]:
        """The final checkpoint, then the test part, looked at once."""
        self.saving.save("final")
        self.saving.finish()
        if self.range_test is not None and self.range_test.begun:
            message = "the learning-rate range test has ended"
            self.event("range_test", message, self.range_test.result())
        failpoints.reach("before_end")
        return self.end("succeeded", test=self.test())

    def test(self) -> dict[str, Any] | None:
        """Loss and metrics of the test part: with the best weights where they are kept, else with the last."""
        if self.data is None or self.data.test is None:
            return None
        path = self.take_best() if self.world.leads else None  # it alone knows where its checkpoints are
        self.world.share(self.learner.model)
        loss, metrics = self.evaluate(self.data.test)
        return {"loss": loss, "metrics": metrics.compute("", last=True), "checkpoint_path": path}

    def take_best(self) -> str | None:
        """Put the best weights in force, where they are kept. Returns the path of the checkpoint in force."""
        best, path = self.tracking.best, self.saving.last_path
        if self.tracking.keeps_best and best.path is not None and best.path != path:
            try:
                tensors, _ = checkpoint.read(Path(self.config.run.directory), best.path, best.sha256)
                self.learner.load_weights(tensors)
                return best.path
            except CheckpointCorrupt as error:
                self.event("best_checkpoint_lost", f"the test uses the last weights: {error}", {}, "warning")
        return path

    def end(self, outcome: str, request: str | None = None, test: dict[str, Any] | None = None) -> dict[str, Any]:
        return {
            "type": "end",
            "outcome": outcome,
            "request": request,
            "stopped": self.tracking.stopped,
            "test": test,
            "best": self.tracking.best.report(),
            "error": None,
        }

    def event(self, event: str, message: str, content: dict[str, Any], level: str = "info") -> None:
        self.report({"type": "event", "event": event, "level": level, "message": message, "data": content})

    def anchor_state(self) -> Any:
        return self.divergence.state()

    def _check_plateau_monitors(self, has_validation: bool) -> None:
        for index, phase in enumerate(self.config.phases):
            if phase.scheduler is not None and phase.scheduler["type"] == "ReduceLROnPlateau":
                pointer = self.config.pointer(index, "scheduler")
                require_monitor(phase.scheduler, monitors(self.config, has_validation), pointer)
