"""An epoch's order of samples, and a batch's tensors."""

from collections.abc import Iterator

from worker.training.data.order import BUCKET_BATCHES
from worker.training.seeds import STRIDE

from . import augment
from .code import block, literal
from .outline import Outline

GENERATOR = f"generator = torch.Generator().manual_seed((SEED * {STRIDE:_} + epoch) % 2**32)"


def batches(outline: Outline) -> Iterator[str]:
    """The positions of the epoch's batches."""
    training = outline.config.training
    if training.shuffle or outline.bucket:
        yield GENERATOR
    if training.shuffle:
        yield "order = torch.randperm(len(train_inputs), generator=generator)"
    else:
        yield "order = torch.arange(len(train_inputs))"
    if outline.bucket and outline.lengths:
        windows = f"order.split(BATCH_SIZE * {BUCKET_BATCHES})"
        yield f"order = torch.cat([w[train_lengths[w].argsort(stable=True)] for w in {windows}])"
    yield "batches = order.split(BATCH_SIZE)"
    if training.drop_last:
        yield block("if len(batches[-1]) < BATCH_SIZE:", ["batches = batches[:-1]"])
    if outline.bucket:
        yield "batches = [batches[i] for i in torch.randperm(len(batches), generator=generator)]"


def generator_of_augmentation(outline: Outline) -> Iterator[str]:
    if outline.config.augment:
        on = f"torch.Generator({literal(outline.config.device)})" if outline.cuda else "torch.Generator()"
        yield f"augmentation = {on}.manual_seed((SEED * {STRIDE:_} + epoch + 2**31) % 2**32)"


def load(outline: Outline, index: str, part: str = "train_") -> Iterator[str]:
    """A batch's tensors."""
    yield f"x, y = {part}inputs[{index}], {part}targets[{index}]"
    for key, name, wanted in (("lengths", "length", outline.lengths), ("weights", "w", outline.weights)):
        if wanted:
            yield f"{name} = {part}{key}[{index}]"


def load_augmented(outline: Outline) -> Iterator[str]:
    """A batch as the model shall see it in training."""
    if outline.function:
        return
    yield from load(outline, "batch")
    if outline.config.augment and outline.pixels:
        yield "x = x.float()"
    yield from augment.lines(outline.config.augment)


def fields(outline: Outline) -> str:
    """The names that a batch's tensors have."""
    extra = [", length"] * outline.lengths + [", w"] * outline.weights + [", other, share"] * outline.mixes
    return "x, y" + "".join(extra)


def each_update(outline: Outline, body: list[str], counted: bool) -> Iterator[str]:
    """The loop over an epoch's updates. `counted`: `done` says how many of its batches are used up."""
    if outline.function:
        yield from body
        return
    yield from batches(outline)
    if outline.accumulates:
        several = outline.config.training.accumulate_steps
        window = [f"window = batches[start : start + {several}]", *["done = start + len(window)"] * counted]
        yield block(f"for start in range(0, len(batches), {several}):", [*window, *body])
    elif counted:
        yield block("for done, batch in enumerate(batches, start=1):", body)
    else:
        yield block("for batch in batches:", body)
