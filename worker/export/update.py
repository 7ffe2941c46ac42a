"""From a window of batches to one step of the optimizer, and what follows it."""

from collections.abc import Iterator

from worker.training.schedules.range_test import GIVEN_WAY

from . import gradients, pieces
from .batches import fields, load_augmented
from .code import block
from .evaluation import evaluated
from .objective import backward, count, counters, forward
from .outline import Outline

GUARDED = ["if scheduler is not None and by_step:", "    scheduler.step()"]


def update(outline: Outline) -> Iterator[str]:
    """One step."""
    if outline.range_test or outline.logged:
        yield 'step_rates = [group["lr"] for group in optimizer.param_groups]'
    if outline.closure:
        yield from with_closure(outline)
    else:
        yield from pieces.passes(outline) if outline.in_pieces else passes(outline)
        yield from gradients.prepared(outline)
        yield from ("scaler.step(optimizer)", "scaler.update()") if outline.scaled else ("optimizer.step()",)
    yield from gradients.told_groups(outline)


def passes(outline: Outline) -> Iterator[str]:
    """A window's forward and backward passes, and what the rows need of it."""
    yield zero(outline)
    batch = [*load_augmented(outline), *forward(outline, training=True), *backward(outline), *count(outline)]
    yield from [block("for batch in window:", batch)] if outline.accumulates else batch


def zero(outline: Outline) -> str:
    return "model.zero_grad()" if outline.several else "optimizer.zero_grad()"


def with_closure(outline: Outline) -> Iterator[str]:
    """The batches are loaded once; LBFGS may evaluate them several times. What is counted is the first evaluation."""
    if outline.in_pieces:
        yield from pieces.loaded(outline)
        evaluation = ["found, mean = in_pieces(loaded)", block("if first:", [pieces.counted(outline)])]
    elif outline.accumulates:
        yield from pieces.loaded(outline)
        evaluation = [zero(outline), "mean = 0.0", block(f"for {fields(outline)} in loaded:", evaluated_batch(outline))]
    else:
        yield from load_augmented(outline)
        evaluation = [zero(outline), *evaluated_batch(outline)]
    measured = [line.replace("norm = ", "measured = ", 1) for line in gradients.prepared(outline)]
    names = ", ".join([counters(outline), "norm", "first", *gradients.seen_names(outline)])
    body = [f"global {names}", *evaluation, *measured, "norm, first = measured if first else norm, False"]
    body.append(f"return {'mean' if outline.accumulates or outline.in_pieces else 'loss'}")
    yield "first = True"
    yield ""
    yield block("def closure():", body)
    yield ""
    yield "optimizer.step(closure)"


def evaluated_batch(outline: Outline) -> Iterator[str]:
    yield from forward(outline, training=True)
    yield from backward(outline)
    yield block("if first:", list(count(outline)))
    if outline.accumulates:
        yield "mean = mean + loss.detach() / len(window)"


def after_update(outline: Outline) -> Iterator[str]:
    """Schedule, average, step row, and whether the training ends here."""
    if "step" in outline.intervals:
        yield from (GUARDED if outline.several else ["scheduler.step()"])
    if outline.config.training.ema_decay is not None:
        yield "averaged.update_parameters(model)"
    yield from ["step += 1"] * outline.counts_steps
    if outline.range_test:
        way = f"len(curve) > 1 and curve[-1] > {GIVEN_WAY} * min(curve)"
        given_way = f"given_way = not math.isfinite(curve[-1]) or ({way})"
        again = ["counted = False"] * outline.accumulates
        yield from outline.in_range_test(["curve = smoothed(losses)", given_way, *again])
    if outline.logged:
        finite = f" and {outline.finite('total')}" if outline.function and outline.watches_divergence else ""
        logged = f"({due(outline.logged)}){finite}" if finite else due(outline.logged)
        yield block(f"if {logged}:", step_row(outline))
    if outline.function:
        return
    if outline.range_test:
        yield block("if given_way:", ["break"])
    if outline.last_step is not None:
        yield block(f"if {outline.is_last_step}:", ["break  # the job's max_seconds were over"])


def step_row(outline: Outline) -> Iterator[str]:
    """The mean loss since the last one; none for a loss that ends the epoch."""
    if outline.watches_divergence and not outline.function:
        yield block(f"if not {outline.finite('recent')}:", ["break"])
    yield 'step_row = {"step": step, "epoch": epoch, "train_loss": recent / seen, "learning_rates": step_rates}'
    yield 'step_row["gradient_norm"] = norm.item()'
    validate = outline.config.training.validate_every_steps
    if validate:
        line = f'step_row["validation_loss"] = {evaluated(outline, "validation")}'
        always = due([validate]) == due(outline.logged)
        yield line if always else block(f"if {due([validate])}:", [line])
    yield "recent, seen = 0.0, 0"
    yield 'rows["step", step] = step_row' if outline.rollback else 'show(step_row, "step")'


def due(intervals: list[int]) -> str:
    return " or ".join(f"step % {every} == 0" for every in dict.fromkeys(intervals))
