"""The loop over epochs: what a person would write for this job, and no more."""

from collections.abc import Iterator

from . import gradients, rollback
from .batches import each_update, generator_of_augmentation
from .code import block
from .outline import Outline
from .row import best_so_far, early_stopping, last_only, row, stopping, watched
from .update import after_update, update


def training(outline: Outline) -> Iterator[str]:
    """From the first epoch to the last."""
    yield from state(outline)
    if outline.rollback is None:
        yield block(f"for epoch in range(1, {outline.epochs} + 1):", epoch(outline))
    else:
        yield from rollback.training(outline, list(epoch(outline)))


def state(outline: Outline) -> Iterator[str]:
    """What is carried from epoch to epoch."""
    yield from ["step = 0"] * outline.counts_steps
    if outline.closure:
        yield "norm = torch.tensor(0.0)"
    if outline.config.training.early_stopping is not None:
        yield "best, waited = None, 0"
    if outline.keeps_best:
        yield "record, best_weights = None, model.state_dict()"
    if outline.range_test:
        yield "losses, given_way = [], False"
        yield from ["counted = False  # an update's first loss"] * outline.accumulates
    if outline.logged:
        yield "recent, seen = 0.0, 0"


def epoch(outline: Outline) -> Iterator[str]:
    """One epoch: its updates, its row, its step of the schedule."""
    begins = 1
    for phase, lines in zip(outline.config.phases, outline.starts, strict=True):
        if begins > 1:
            yield block(f"if epoch == {begins}:", [*lines, *rollback.entered(outline)])
        begins += phase.epochs
    yield 'rates = [group["lr"] for group in optimizer.param_groups]'
    yield from generator_of_augmentation(outline)
    yield "total, samples = 0.0, 0"
    yield from outline.metrics.reset()
    body = [*update(outline), *after_update(outline)]
    yield from each_update(outline, body, gradients.counts(outline))
    yield from left_inside(outline)
    yield from diverged(outline)
    yield from row(outline)
    yield from best_so_far(outline)
    yield from early_stopping(outline)
    yield from last_only(outline)
    yield 'rows["epoch", epoch] = row' if outline.rollback else "show(row)"
    yield from step_by_epoch(outline)
    yield from rollback.remembered(outline)
    yield from stop(outline)


def left_inside(outline: Outline) -> Iterator[str]:
    if outline.stops_inside and not outline.function:
        ended = [*["given_way"] * outline.range_test]
        ended += [outline.is_last_step] * (outline.last_step is not None)
        yield block(f"if ({' or '.join(ended)}) and done < len(batches):", ["break  # inside the epoch: it has no row"])


def diverged(outline: Outline) -> Iterator[str]:
    if outline.rollback is not None:
        yield from rollback.diverged(outline)
    elif outline.watches_divergence:
        message = 'f"the training loss is no longer finite in epoch {epoch}"'
        yield block(f"if not {outline.finite('total')}:", [f"raise SystemExit({message})"])


def step_by_epoch(outline: Outline) -> Iterator[str]:
    if "epoch" not in outline.intervals:
        return
    if not outline.several:
        plateau = outline.schedulers[0]["type"] == "ReduceLROnPlateau"
        yield f"scheduler.step({watched(outline.schedulers[0]['monitor'])})" if plateau else "scheduler.step()"
    elif all(scheduler["type"] != "ReduceLROnPlateau" for scheduler in outline.schedulers):
        yield block("if scheduler is not None and not by_step:", ["scheduler.step()"])
    else:
        yield block("if monitor is not None:", ['scheduler.step({**row, **row["metrics"]}[monitor])'])
        yield block("elif scheduler is not None and not by_step:", ["scheduler.step()"])


def stop(outline: Outline) -> Iterator[str]:
    if stopping(outline):
        yield block(f"if {' or '.join(stopping(outline))}:", ["break"])
