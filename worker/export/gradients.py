"""Between the gradients and the step: unscale, measure, clip."""

from collections.abc import Iterator
from typing import Any

from worker.training import rows

from .code import block, literal
from .outline import Outline
from .sources import source_of

GRADIENTS = "[p.grad for p in model.parameters() if p.grad is not None]"
SUMMED = '''def summed():
    """The gradients to be measured: of a sparse one its values, each row once."""
    found = [p.grad for p in model.parameters() if p.grad is not None]
    return [grad.coalesce()._values() if grad.is_sparse else grad for grad in found]'''
VALUES = '''def values():
    """The gradients to be changed in place."""
    found = [p.grad for p in model.parameters() if p.grad is not None]
    return [grad._values() if grad.is_sparse else grad for grad in found]'''
GROUPS = '''def groups_of(before, norms):
    """Of each group the gradients' norm, and the norm of the update beside that of the weights."""
    found = []
    for old, norm, group in zip(before, norms, optimizer.param_groups):
        change, size = norm_of([p.detach() - o for p, o in zip(group["params"], old)]), norm_of(old)
        found.append({"gradient_norm": norm, "update_ratio": change / size if change is not None and size else None})
    return {"groups": found}'''


def prepared(outline: Outline) -> Iterator[str]:
    """What happens to the gradients before each step."""
    if outline.scaled:
        yield "scaler.unscale_(optimizer)"
    seen = [*seen_parameters(outline), *seen_groups(outline)]
    if seen:
        yield from [block("if first:", seen)] if outline.closure else seen
    yield from measured(outline, outline.config.training.clip)


def measured(outline: Outline, clip: dict[str, Any] | None) -> Iterator[str]:
    """`norm`, where a row will want it, and the clipping."""
    norm = f"norm = nn.utils.get_total_norm({'summed()' if outline.sparse else GRADIENTS})"
    if clip is not None and clip["type"] == "norm":
        if not outline.sparse:
            yield f"norm = nn.utils.clip_grad_norm_(model.parameters(), {literal(clip['max_norm'])})"
            return
        yield norm
        yield f"torch._foreach_mul_(values(), torch.clamp({literal(clip['max_norm'])} / (norm + 1e-6), max=1.0))"
        return
    due = wanted(outline)
    yield norm if due is None else block(f"if {due}:", [norm])
    if clip is None:
        return
    value = literal(clip["clip_value"])
    if outline.sparse:
        coalesced = block("if p.grad is not None and p.grad.is_sparse:", ["p.grad = p.grad.coalesce()"])
        yield block("for p in model.parameters():", [coalesced])
        yield f"torch._foreach_clamp_min_(values(), -{value})"
        yield f"torch._foreach_clamp_max_(values(), {value})"
    else:
        yield f"nn.utils.clip_grad_value_(model.parameters(), {value})"


def wanted(outline: Outline) -> str | None:
    """When the gradients are measured; None: always."""
    if outline.function or outline.closure:
        return None
    return " or ".join([LAST, *(f"(step + 1) % {every} == 0" for every in outline.logged)])


LAST = "done == len(batches)"


def counts(outline: Outline) -> bool:
    """Whether the loop has to know which update is the epoch's last."""
    if outline.function:
        return False
    clip = outline.config.training.clip or {}
    always = outline.closure or clip.get("type") == "norm"
    return not always or outline.telemetry or outline.stops_inside


def seen_parameters(outline: Outline) -> Iterator[str]:
    """A Function's row has its parameters and gradients as they were before the update."""
    if outline.function:
        yield "before = {name: p.item() for name, p in model.named_parameters()}"
        gradient = "0.0 if p.grad is None else p.grad.item()"
        yield f"gradients = {{name: {gradient} for name, p in model.named_parameters()}}"


def seen_groups(outline: Outline) -> Iterator[str]:
    if not outline.telemetry:
        return
    lines = ['weights = [[p.detach().clone() for p in group["params"]] for group in optimizer.param_groups]']
    norm = 'norm_of([p.grad for p in group["params"] if p.grad is not None])'
    lines.append(f"norms = [{norm} for group in optimizer.param_groups]")
    yield from lines if outline.function else [block(f"if {LAST}:", lines)]


def told_groups(outline: Outline) -> Iterator[str]:
    """After the step."""
    if outline.telemetry:
        line = "telemetry = groups_of(weights, norms)"
        yield line if outline.function else block(f"if {LAST}:", [line])


def seen_names(outline: Outline) -> list[str]:
    return [*["before", "gradients"] * outline.function, *["weights", "norms"] * outline.telemetry]


def definitions(outline: Outline) -> Iterator[str]:
    if outline.sparse:
        yield from [SUMMED, *[VALUES] * (outline.config.training.clip is not None)]
    if outline.telemetry:
        yield source_of(rows._norm).replace("_norm", "norm_of", 1)
        yield GROUPS
