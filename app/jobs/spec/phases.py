"""Phases: one job that changes its optimizer, its schedule or what it freezes on the way."""

from typing import Annotated, NamedTuple

from pydantic import Field

from app.jobs.spec.base import Section
from app.jobs.spec.optimizer import Optimizer
from app.jobs.spec.optimizers import OPTIMIZERS
from app.jobs.spec.patterns import Pattern
from app.jobs.spec.schedulers import SCHEDULERS, Scheduler
from app.jobs.spec.training import Epochs

Path = tuple[str | int, ...]
MAX_PHASES = 100


class Phase(Section):
    """`optimizer` left out: the last one goes on, and what thaws joins it. `freeze` is this phase's whole list."""

    epochs: Epochs
    optimizer: Annotated[Optimizer, OPTIMIZERS] | None = None
    scheduler: Annotated[Scheduler, SCHEDULERS] | None = None
    freeze: Annotated[list[Pattern], Field(max_length=100)] = []


class Stage(NamedTuple):
    """A phase as it is trained, or the whole of a job without phases."""

    path: Path
    epochs: int
    optimizer: Optimizer | None  # built anew at its start; None: the last one goes on
    in_force: Optimizer | None
    scheduler: Scheduler | None
    freeze: list[str]
