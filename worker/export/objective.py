"""Forward and backward pass of a batch, and what the row needs of it."""

from collections.abc import Iterator

from .code import block, literal
from .outline import Outline


def forward(outline: Outline, *, training: bool = False) -> Iterator[str]:
    """Outputs and loss."""
    if outline.loss is None:
        yield "loss = model()"
        return
    config = outline.config
    x = "x.float()" if outline.pixels and not (training and config.augment) else "x"
    lines = [f"outputs = model({x}, length)" if outline.lengths else f"outputs = model({x})"]
    lines.append(f"loss = {outline.loss.of('y')}")
    if training and outline.mixes:
        lines.append(f"loss = share * loss + (1 - share) * {outline.loss.of('other')}")
    if config.training.precision == "float32":
        yield from lines
    else:
        precision = f"torch.{config.training.precision}"
        yield block(f"with torch.autocast({literal(config.device)}, dtype={precision}):", lines)


def backward(outline: Outline, window: str = "window", part: str = "") -> Iterator[str]:
    """`part`: what a piece of a batch counts in its loss; the piece's `share` is kept then."""
    l1 = outline.config.training.l1
    if l1:
        yield f"loss = loss + {literal(l1)} * sum(p.abs().sum() for p in model.parameters() if p.requires_grad)"
    loss = f"loss / len({window})" if outline.accumulates else "loss"
    if part:
        yield f"share = {loss}{part}"
        loss = "share"
    loss = f"({loss})" if " " in loss and not outline.scaled else loss
    yield f"scaler.scale({loss}).backward()" if outline.scaled else f"{loss}.backward()"


def count(outline: Outline) -> Iterator[str]:
    """What the rows need of a batch."""
    loss = "loss" if outline.in_pieces else "loss.item()"
    if outline.function:
        yield "total, samples = loss.item(), 1"
    else:
        yield f"total, samples = total + {loss} * len(x), samples + len(x)"
    if outline.logged:
        size = "1" if outline.function else "len(x)"
        yield f"recent, seen = recent + {loss} * {size}, seen + {size}"
    yield from outline.metrics.count()
    if outline.range_test:
        line = f"losses.append({loss})"
        once = block("if not counted:", [line, "counted = True"]) if outline.accumulates else line
        yield from outline.in_range_test([once])


def counters(outline: Outline) -> str:
    """The names that `count` gives new values."""
    found = ["total", "samples", *["recent", "seen"] * bool(outline.logged), *outline.metrics.counters]
    found += ["counted"] * (outline.range_test and outline.accumulates)
    return ", ".join(found)
