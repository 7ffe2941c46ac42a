"""The function that measures a part, and the test part at the end."""

from collections.abc import Iterator

from . import pieces
from .batches import load
from .code import block
from .objective import forward
from .outline import Outline


def evaluate(outline: Outline) -> str:
    """Loss, and metrics where the job has any, in eval mode."""
    arguments = ", ".join(["model", *outline.tensors("")])
    body = [*load(outline, "start : start + BATCH_SIZE", ""), *forward(outline), "total += loss.item() * len(x)"]
    body += outline.metrics.count()
    loop = block("for start in range(0, len(inputs), BATCH_SIZE):", pieces.evaluated_by(outline, body))
    result = "return total / len(inputs)"
    if outline.metrics:
        result += f", {outline.metrics.result('len(inputs)')}"
    start = ["model.eval()", "total = 0.0", *outline.metrics.reset()]
    start += pieces.begin_looking_up(outline, "[before] * PROCESSES")
    doc = '"""The mean loss of a part, in eval mode and in its own order."""'
    head = f"@torch.no_grad()\ndef evaluate({arguments}):"
    end = [*["as_process(0)"] * outline.in_pieces, *pieces.end_looking_up(outline), "model.train()"]
    return block(head, [doc, *start, loop, *end, result])


def evaluated(outline: Outline, part: str, model: str = "model") -> str:
    """Source of a part's loss alone."""
    return f"evaluate({', '.join([model, *outline.tensors(part)])}){'[0]' if outline.metrics else ''}"


def test(outline: Outline) -> Iterator[str]:
    """The test part, looked at once: with the best weights where they are kept."""
    lines = ["model.load_state_dict(best_weights)"] if outline.keeps_best else []
    call = f"evaluate({', '.join(['model', *outline.tensors('test')])})"
    if outline.metrics:
        lines += [f"loss, found = {call}", 'show({"loss": loss, "metrics": found}, "test")']
    else:
        lines.append(f'show({{"loss": {call}, "metrics": {{}}}}, "test")')
    yield block("if arguments.all:", lines)
