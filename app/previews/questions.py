"""What may be asked beforehand, checked as far as it goes without torch. Pointers lead into the question."""

from collections.abc import Iterator
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError

from app.jobs.spec import SpecError, builtin_facts, resolve, validate
from app.jobs.spec.base import Complaint, Count, Section
from app.jobs.spec.data import Seed
from app.jobs.spec.errors import from_pydantic
from app.jobs.spec.job import scheduler_complaints
from app.jobs.spec.limits import check
from app.jobs.spec.optimizer import Optimizer
from app.jobs.spec.optimizers import OPTIMIZERS
from app.jobs.spec.schedulers import SCHEDULERS, Composition, ReduceLROnPlateau, Scheduler, SequentialLR
from app.jobs.spec.stepping import schedule_complaints
from app.jobs.spec.training import Epochs

Q = TypeVar("Q", bound=Section)

MAX_POINTS = 100_000
"""Of a schedule: each is one step of the real scheduler."""
MAX_NUMBERS = 500_000
"""Points times groups, times the schedulers that are stepped at each."""
MAX_STEPS = 5_000
"""Of a trajectory."""


class ScheduleQuestion(Section):
    """An optimizer's learning rates over a job: `epochs` times `steps_per_epoch` for a schedule by step."""

    optimizer: Annotated[Optimizer, OPTIMIZERS]
    scheduler: Annotated[Scheduler, SCHEDULERS] | None = None
    epochs: Epochs
    steps_per_epoch: Count = 1

    def rules(self) -> Iterator[Complaint]:
        if self.scheduler is None:
            points = self.epochs
        elif isinstance(self.scheduler, ReduceLROnPlateau):
            yield Complaint(("scheduler", "type"), "follows results: it cannot be shown beforehand")
            return
        else:
            by_step = self.scheduler.interval == "step"
            points = self.epochs * (self.steps_per_epoch if by_step else 1)
            listed = len(self.optimizer.groups)
            groups = {listed, listed + 1} if listed else {1}
            yield from scheduler_complaints(self.scheduler, self.optimizer, ("scheduler",), groups)
        numbers = points * (len(self.optimizer.groups) + 1) * stepped_at_once(self.scheduler)
        if points > MAX_POINTS or numbers > MAX_NUMBERS:
            detail = f"makes {points} points, {numbers} numbers of all groups and all that is chained"
            yield Complaint(("epochs",), f"{detail}: at most {MAX_POINTS} and {MAX_NUMBERS}")
        elif self.scheduler is not None:
            steps = self.epochs * self.steps_per_epoch
            yield from schedule_complaints(self.scheduler, self.epochs, steps, ("scheduler",))


def stepped_at_once(scheduler: Scheduler | None) -> int:
    """How many schedulers one step moves: all of a chain, one of a sequence."""
    if not isinstance(scheduler, Composition):
        return 1
    inner = map(stepped_at_once, scheduler.schedulers)
    return max(inner) if isinstance(scheduler, SequentialLR) else sum(inner)


class TrajectoryQuestion(Section):
    model: dict[str, Any]
    optimizer: dict[str, Any]
    steps: Annotated[Count, Field(le=MAX_STEPS)]
    seed: Seed = 0

    def rules(self) -> Iterator[Complaint]:
        if self.model.get("type") != "Function":
            yield Complaint(("model", "type"), "must be Function: a trajectory is that of named numbers")
        if self.model.get("initial_weights") is not None:
            yield Complaint(("model", "initial_weights"), "a trajectory starts at `initial`")


def read_schedule(document: Any) -> ScheduleQuestion:
    """Raises SpecError."""
    return _read(ScheduleQuestion, document)


def read_trajectory(document: Any) -> dict[str, Any]:
    """The resolved spec of the job that would go this way: one epoch is one step. Raises SpecError."""
    asked = _read(TrajectoryQuestion, document)
    spec = {"model": asked.model, "optimizer": asked.optimizer, "seed": asked.seed, "training": {"epochs": asked.steps}}
    return resolve(validate(spec), builtin_facts)


def _read(kind: type[Q], document: Any) -> Q:
    document = {} if document is None else document
    complaints = check(document)
    if complaints:
        raise SpecError.of(complaints)
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise from_pydantic(error, document) from None
