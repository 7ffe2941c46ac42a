"""What an optimizer that goes on into a next phase trips over there, or does though the phase says otherwise."""

from collections.abc import Iterator
from typing import Any

from app.jobs.spec.base import Complaint
from app.jobs.spec.optimizer import Optimizer
from app.jobs.spec.phases import Path, Stage
from app.jobs.spec.schedulers import Composition, CyclicLR, OneCycleLR, Scheduler


class Carried:
    """Looks at the stages in their order.

    RMSprop decides at a parameter's first update whether it keeps a momentum, and LBFGS moves whatever it has been
    built over along its earlier directions.
    """

    def __init__(self) -> None:
        self._without_momentum = False  # some parameter of the RMSprop in force

    def complaints(self, stage: Stage, joining: list[dict[str, Any]], frozen: set[str]) -> Iterator[Complaint]:
        """`joining`: the groups it begins with, or that thaw; `frozen`: what it holds and may not move."""
        optimizer = stage.in_force
        assert optimizer is not None
        if stage.optimizer is not None:
            self._without_momentum = False
        elif optimizer.type == "LBFGS" and frozen:
            detail = "freezes what LBFGS was built over, which would still be moved: give the phase an optimizer"
            yield Complaint((*stage.path, "freeze"), detail)
        if optimizer.type == "RMSprop":
            yield from self._momentum(stage, optimizer, joining)

    def _momentum(self, stage: Stage, optimizer: Optimizer, joining: list[dict[str, Any]]) -> Iterator[Complaint]:
        cycles = list(cycling(stage.scheduler, (*stage.path, "scheduler")))
        for path, scheduler in cycles:
            if self._without_momentum:
                detail = "cycles the momentum of an RMSprop that began without one: give it a momentum above 0"
                yield Complaint((*path, "cycle_momentum"), detail)
            elif 0 in _listed(scheduler.max_momentum) and any(_listed(scheduler.base_momentum)):
                detail = "must be above 0: RMSprop keeps no momentum where its first update has none"
                yield Complaint((*path, "max_momentum"), detail)
        if not cycles:
            default = getattr(optimizer, "momentum", 0.0)
            self._without_momentum |= any(group.get("momentum", default) == 0 for group in joining)


def cycling(scheduler: Scheduler | None, path: Path) -> Iterator[tuple[Path, CyclicLR | OneCycleLR]]:
    """The schedulers that cycle the momentum, at any depth."""
    if isinstance(scheduler, Composition):
        for index, inner in enumerate(scheduler.schedulers):
            yield from cycling(inner, (*path, "schedulers", index))
    elif isinstance(scheduler, CyclicLR | OneCycleLR) and scheduler.cycle_momentum:
        yield path, scheduler


def _listed(value: float | list[float]) -> list[float]:
    return value if isinstance(value, list) else [value]
