"""A schedule stepped to its end: what torch accepts, and trips over on the way."""

from collections.abc import Iterator

from app.jobs.spec.base import Complaint
from app.jobs.spec.factors import count_formulas, factor_complaints
from app.jobs.spec.phases import Path
from app.jobs.spec.schedulers import (
    Composition,
    ConstantLR,
    CyclicLR,
    LambdaLR,
    MultiplicativeLR,
    MultiStepLR,
    OneCycleLR,
    Scheduler,
    SequentialLR,
    WarmupCosine,
)


def schedule_complaints(scheduler: Scheduler, epochs: int, steps: int, path: Path) -> list[Complaint]:
    """What goes wrong when the schedule is stepped to the end of its epochs or steps."""
    total = epochs if scheduler.interval == "epoch" else steps
    return list(_stepped(scheduler, total, count_formulas(scheduler), path))


def _stepped(scheduler: Scheduler, total: int, formulas: int, path: Path) -> Iterator[Complaint]:
    if isinstance(scheduler, Composition):
        for index, inner in enumerate(scheduler.schedulers):
            own = _own_steps(scheduler, index, total)
            yield from _stepped(inner, own, formulas, (*path, "schedulers", index))
    elif isinstance(scheduler, OneCycleLR) and scheduler.total < total:
        key = "total_steps" if scheduler.total_steps else "epochs"
        yield Complaint(
            (*path, key), f"the cycle has {scheduler.total} steps, {total} will be taken: torch raises after the last"
        )
    elif isinstance(scheduler, WarmupCosine) and scheduler.warmup >= total:
        yield Complaint((*path, "warmup"), f"must be less than all {total} of the schedule")
    elif isinstance(scheduler, LambdaLR | MultiplicativeLR):
        yield from factor_complaints(scheduler, total, formulas, path)
    else:
        yield from _arithmetic(scheduler, total, path)


def _own_steps(composition: Composition, index: int, total: int) -> int:
    """How far the clock of an inner scheduler goes: in a sequence, to the step before the next one's first."""
    if not isinstance(composition, SequentialLR):
        return total
    starts = [0, *composition.milestones]
    last = starts[index + 1] - 1 if index + 1 < len(starts) and starts[index + 1] <= total else total
    return max(0, last - starts[index])


def _arithmetic(scheduler: Scheduler, total: int, path: Path) -> Iterator[Complaint]:
    """Divisions by zero and powers beyond float64 in torch's own formulas."""
    if isinstance(scheduler, ConstantLR) and scheduler.factor == 0 and 0 < scheduler.total_iters <= total:
        detail = f"must be above 0: after {scheduler.total_iters} steps torch divides by it"
        yield Complaint((*path, "factor"), detail)
    elif isinstance(scheduler, MultiStepLR):
        passed = [milestone for milestone in scheduler.milestones if milestone <= total]
        at_once = max(map(passed.count, passed), default=0)
        if _overflows(scheduler.gamma, at_once):
            yield Complaint((*path, "gamma"), f"is too large to be multiplied {at_once} times at one milestone")
    elif isinstance(scheduler, CyclicLR) and scheduler.mode == "exp_range" and _overflows(scheduler.gamma, total):
        yield Complaint((*path, "gamma"), f"is too large for {total} steps: torch raises it to the power of the step")
    elif isinstance(scheduler, CyclicLR) and scheduler.mode == "triangular2":
        length = scheduler.step_size_up + (scheduler.step_size_down or scheduler.step_size_up)
        if _overflows(2.0, total // length):
            yield Complaint(
                (*path, "step_size_up"), f"makes {total // length} cycles of {total} steps; torch halves 1023 times"
            )


def _overflows(base: float, exponent: int) -> bool:
    try:
        base**exponent
    except OverflowError:
        return True
    return False
