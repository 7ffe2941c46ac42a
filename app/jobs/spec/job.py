"""The whole spec, and the rules that need more than one of its parts but nothing of the data set."""

from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field

from app.jobs.spec.base import Complaint, Section
from app.jobs.spec.data import Data, Seed
from app.jobs.spec.losses import LOSSES, Loss
from app.jobs.spec.metrics import METRICS, Metric, metric_names
from app.jobs.spec.model import Model
from app.jobs.spec.models import MODELS
from app.jobs.spec.optimizer import Optimizer
from app.jobs.spec.optimizers import OPTIMIZERS, SGD
from app.jobs.spec.phases import MAX_PHASES, Path, Phase, Stage
from app.jobs.spec.schedulers import SCHEDULERS, Composition, Scheduler
from app.jobs.spec.training import MAX_EPOCHS, Checkpoint, Resources, Training

MAX_METADATA = 16
# What batches are made of: without data there are none.
BATCH_KEYS = ("batch_size", "shuffle", "drop_last", "accumulate_steps")

ANSWERS = {"class": "classes", "binary": "answers of yes and no", "number": "numbers", "labels": "lists of classes"}


class JobSpec(Section):
    """One training job. The document it was read from is kept as sent; this is its meaning."""

    name: Annotated[str, Field(max_length=200)] | None = None
    metadata: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=64)], Annotated[str, Field(max_length=512)]],
        Field(max_length=MAX_METADATA),
    ] = {}
    seed: Seed = 0
    data: Data | None = None
    model: Annotated[Model, MODELS]
    loss: Annotated[Loss, LOSSES] | None = None
    optimizer: Annotated[Optimizer, OPTIMIZERS] | None = None
    scheduler: Annotated[Scheduler, SCHEDULERS] | None = None
    phases: Annotated[list[Phase], Field(min_length=1, max_length=MAX_PHASES)] | None = None
    training: Training = Training()
    metrics: Annotated[list[Annotated[Metric, METRICS]], Field(max_length=20)] = []
    checkpoint: Checkpoint = Checkpoint()
    resources: Resources = Resources()

    def rules(self) -> Iterator[Complaint]:
        yield from _data_or_function(self)
        yield from _phases(self)
        yield from _metrics(self)
        yield from _loss(self)
        for stage in self.stages():
            if stage.scheduler is not None and stage.in_force is not None:
                path = (*stage.path, "scheduler")
                yield from scheduler_complaints(stage.scheduler, stage.in_force, path, possible_groups(stage))
        yield from _pieces(self)
        if self.training.precision == "float16" and any(
            stage.optimizer is not None and stage.optimizer.type == "LBFGS" for stage in self.stages()
        ):
            yield Complaint(
                ("training", "precision"), "LBFGS evaluates its closure many times: the loss cannot be scaled"
            )
        if self.training.precision == "float16":
            yield from _fused_momentum(self)

    def stages(self) -> list[Stage]:
        """The phases, or the one that a job without phases is."""
        if self.phases is None:
            return [Stage((), self.training.epochs or 0, self.optimizer, self.optimizer, self.scheduler, [])]
        stages, in_force = [], None
        for index, phase in enumerate(self.phases):
            in_force = phase.optimizer or in_force
            path = ("phases", index)
            stages.append(Stage(path, phase.epochs, phase.optimizer, in_force, phase.scheduler, phase.freeze))
        return stages


def _data_or_function(spec: JobSpec) -> Iterator[Complaint]:
    if spec.model.trains_on_data:
        for key in ("data", "loss"):
            if getattr(spec, key) is None:
                yield Complaint((key,), f"is required with a {spec.model.type}")
        if spec.training.batch_size is None:
            yield Complaint(("training", "batch_size"), "is required")
        return
    for key in ("data", "loss"):
        if getattr(spec, key) is not None:
            yield Complaint((key,), f"is left out with a {spec.model.type}: its loss is the expression's value")
    for key in BATCH_KEYS:
        if key in spec.training.model_fields_set:
            yield Complaint(("training", key), f"is left out with a {spec.model.type}: one epoch is one step")


def _pieces(spec: JobSpec) -> Iterator[Complaint]:
    """Of each batch every process takes one."""
    processes = spec.resources.gpus
    if processes > 1 and not spec.model.trains_on_data:
        yield Complaint(("resources", "gpus"), f"is 1 with a {spec.model.type}: there is no data to divide")
    elif processes > (spec.training.batch_size or processes):
        yield Complaint(("training", "batch_size"), f"must be at least {processes}: each of `gpus` takes its share")


def _fused_momentum(spec: JobSpec) -> Iterator[Complaint]:
    """torch's fused SGD makes its momentum buffers of whatever lies in memory, and fills them in the first update:
    loss scaling skips that one more often than not (torch/optim/sgd.py, _fused_sgd)."""
    for stage in spec.stages():
        optimizer = stage.optimizer
        if isinstance(optimizer, SGD) and optimizer.fused and _has_momentum(optimizer, stage.scheduler):
            detail = (
                "must be false with a momentum in float16: torch leaves it undefined where the first update is skipped"
            )
            yield Complaint((*stage.path, "optimizer", "fused"), detail)


def _has_momentum(optimizer: SGD, scheduler: Scheduler | None) -> bool:
    return optimizer.momentum > 0 or any(group.get("momentum") for group in optimizer.groups) or _cycles(scheduler)


def _cycles(scheduler: Scheduler | None) -> bool:
    inner = scheduler.schedulers if isinstance(scheduler, Composition) else []
    return getattr(scheduler, "cycle_momentum", False) or any(map(_cycles, inner))


def _phases(spec: JobSpec) -> Iterator[Complaint]:
    if spec.phases is None:
        if spec.training.epochs is None:
            yield Complaint(("training", "epochs"), "is required")
        if spec.optimizer is None:
            yield Complaint(("optimizer",), "is required")
        return
    for path, given in (
        (("optimizer",), spec.optimizer),
        (("scheduler",), spec.scheduler),
        (("training", "epochs"), spec.training.epochs),
    ):
        if given is not None:
            yield Complaint(path, "is left out with phases: each phase has its own")
    if spec.phases[0].optimizer is None:
        yield Complaint(("phases", 0, "optimizer"), "is required in the first phase")
    if sum(phase.epochs for phase in spec.phases) > MAX_EPOCHS:
        yield Complaint(("phases",), f"have more than {MAX_EPOCHS} epochs together")


def _metrics(spec: JobSpec) -> Iterator[Complaint]:
    keys = metric_names(spec.metrics, spec.loss)
    for key, times in Counter(keys).items():
        if times > 1:
            yield Complaint(("metrics", len(keys) - 1 - keys[::-1].index(key)), f"{key} is named twice")
    for index, metric in enumerate(spec.metrics):
        if spec.loss is None:
            if not spec.model.trains_on_data:
                yield Complaint(("metrics", index), f"there is nothing to measure with a {spec.model.type}")
        elif spec.loss.target not in metric.measures:
            wanted = " and ".join(ANSWERS[target] for target in ANSWERS if target in metric.measures)
            detail = f"{metric.type} is for {wanted}, {spec.loss.type} for {ANSWERS[spec.loss.target]}"
            yield Complaint(("metrics", index), detail)
        elif getattr(metric, "average", None) == "binary" and spec.loss.target != "binary":
            detail = f"binary is for {ANSWERS['binary']}, {spec.loss.type} for {ANSWERS[spec.loss.target]}"
            yield Complaint(("metrics", index, "average"), detail)


def _loss(spec: JobSpec) -> Iterator[Complaint]:
    if spec.loss is not None and spec.loss.type == "BCELoss" and spec.model.ends_in in ("Linear", "Bilinear"):
        detail = (
            f"BCELoss takes probabilities, and the model ends in {spec.model.ends_in}: BCEWithLogitsLoss takes logits"
        )
        yield Complaint(("loss", "type"), detail)


def possible_groups(stage: Stage) -> set[int] | None:
    """How many parameter groups there may be: a last, default one is known only with the model's parameters.

    None where the last optimizer goes on, which what thaws joins.
    """
    if stage.optimizer is None:
        return None
    listed = len(stage.optimizer.groups)
    fewest = 1 if stage.freeze else listed  # a group whose parameters are all frozen joins when they thaw
    return set(range(fewest, listed + 2)) if listed else {1}


def scheduler_complaints(
    scheduler: Scheduler, optimizer: Optimizer, path: Path, groups: set[int] | None
) -> Iterator[Complaint]:
    """What a schedule asks of the optimizer: a momentum to cycle, lists as long as there are `groups`, if known."""
    if isinstance(scheduler, Composition):
        for index, inner in enumerate(scheduler.schedulers):
            yield from scheduler_complaints(inner, optimizer, (*path, "schedulers", index), groups)
        return
    if getattr(scheduler, "cycle_momentum", False) and not optimizer.cycles_momentum():
        yield Complaint(
            (*path, "cycle_momentum"),
            f"{optimizer.type} has neither momentum nor betas to cycle: set cycle_momentum to false",
        )
    for key in scheduler.per_group:
        value: Any = getattr(scheduler, key)
        if isinstance(value, list) and groups is not None and len(value) not in groups:
            wanted = " or ".join(str(count) for count in sorted(groups))
            yield Complaint(
                (*path, key), f"has {len(value)} values for {wanted} parameter group{'s' * (wanted != '1')}"
            )
