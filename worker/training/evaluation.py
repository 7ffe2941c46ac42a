"""The loss and metrics of a part that is not trained on."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from .data import Part
from .distributed import ALONE, World
from .looked_up import LookedUp
from .metrics import MetricSet
from .record import FOLD_LOSSES, Mean
from .updates import Objective


def evaluate(
    model: nn.Module,
    objective: Objective,
    part: Part,
    batch_size: int,
    metrics: MetricSet,
    between: Callable[[], None],
    world: World = ALONE,
) -> float | None:
    """Mean loss in eval mode, in split order, in batches of `batch_size`; metrics are added to `metrics`.

    `between` is called before each batch and may raise to leave. Several processes take the batches in turn, so that
    loss and metrics are those of one.
    """
    metrics.reset()
    mean, losses, sizes = Mean(), list[Tensor](), list[list[int]]()
    world.share_buffers(model)
    looked_up = LookedUp([model] if world.size > 1 else [])
    looked_up.remember()
    model.eval()
    try:
        with torch.no_grad():
            for rows in rounds(part.in_order(batch_size), world.size):
                between()
                loss, outputs = _mine(objective, part, rows, world.rank)
                losses.append(loss)
                sizes.append([found.stop - found.start for found in rows])
                if outputs is not None and metrics:
                    for rank, found in enumerate(rows):
                        whole = world.from_rank(rank, outputs, (found.stop - found.start, *outputs.shape[1:]))
                        metrics.add(whole, part.targets[found])
                if len(losses) == FOLD_LOSSES:
                    _fold(mean, losses, sizes, world)
        _fold(mean, losses, sizes, world)
        looked_up.agree(world)
    finally:
        model.train()
    return mean.value


def rounds(batches: list[slice], size: int) -> list[list[slice]]:
    """`size` batches at a time, one for each process; the last round may be shorter."""
    return [batches[start : start + size] for start in range(0, len(batches), size)]


def _mine(objective: Objective, part: Part, rows: list[slice], rank: int) -> tuple[Tensor, Tensor | None]:
    """Of this process's batch; one without a batch looks at the last, for the shapes, and draws nothing."""
    mine = rows[min(rank, len(rows) - 1)]
    idle = rank >= len(rows)
    with torch.random.fork_rng([part.inputs.device] if part.inputs.is_cuda else [], enabled=idle):
        return objective(part.select(mine, mine.stop - mine.start))


def _fold(mean: Mean, losses: list[Tensor], sizes: list[list[int]], world: World) -> None:
    if losses:
        by_rank = world.of_ranks(torch.stack(losses))
        for index, taken in enumerate(sizes):
            for rank, size in enumerate(taken):
                mean.add(by_rank[rank][index], size)
    losses.clear()
    sizes.clear()
