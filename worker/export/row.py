"""What an epoch comes to: its row, whether it is the best, whether it is the last."""

from collections.abc import Iterator
from typing import Any

from .code import block, literal
from .evaluation import evaluated
from .outline import Outline


def row(outline: Outline) -> Iterator[str]:
    values = {"epoch": "epoch", "phase": "phase" if outline.several else "0"}
    values |= {"train_loss": "total / samples", "validation_loss": "None"}
    values |= {"metrics": outline.metrics.result("samples", "train_")}
    values |= {"learning_rates": "rates", "gradient_norm": "norm.item()", "samples": "samples"}
    yield "row = {"
    yield from (f'    "{key}": {value},' for key, value in values.items())
    yield "}"
    if outline.validation:
        if outline.metrics:
            yield f'row["validation_loss"], found = {evaluated(outline, "validation").removesuffix("[0]")}'
            yield 'row["metrics"] |= {f"validation_{name}": value for name, value in found.items()}'
        else:
            yield f'row["validation_loss"] = {evaluated(outline, "validation")}'
        if outline.config.training.ema_decay is not None:
            yield f'row["ema_validation_loss"] = {evaluated(outline, "validation", "averaged.module")}'
    if outline.telemetry:
        yield 'row["telemetry"] = telemetry'
    if outline.function:
        yield 'row |= {"parameters": before, "gradients": gradients}'


def best_so_far(outline: Outline) -> Iterator[str]:
    if outline.keeps_best:
        keep = outline.config.checkpoint.keep_best or {}
        value = watched(keep.get("monitor") or "validation_loss")
        kept = f"record, best_weights = {value}, copy.deepcopy(model.state_dict())"
        yield block(f"if {improves(value, 'record', keep)}:", [kept])


def early_stopping(outline: Outline) -> Iterator[str]:
    early = outline.config.training.early_stopping
    if early is not None:
        value = watched(early.get("monitor") or "validation_loss")
        yield block(f"if {improves(value, 'best', early)}:", [f"best, waited = {value}, 0"])
        yield block("else:", ["waited += 1"])


def improves(value: str, best: str, settings: dict[str, Any]) -> str:
    delta = literal(settings["min_delta"]) if settings.get("min_delta") else None
    if (settings.get("mode") or "min") == "min":
        compared = f"{value} < {best}" + (f" - {delta}" if delta else "")
    else:
        compared = f"{value} > {best}" + (f" + {delta}" if delta else "")
    return f"not math.isnan({value}) and ({best} is None or {compared})"


def stopping(outline: Outline) -> list[str]:
    """What ends the training before its last epoch."""
    early = outline.config.training.early_stopping
    found = [f"waited >= {early.get('patience', 10)}"] if early is not None else []
    found += ["given_way"] * outline.range_test
    return found + [outline.is_last_step] * (outline.last_step is not None)


def last_only(outline: Outline) -> Iterator[str]:
    """A confusion matrix is kept in the last row alone."""
    if outline.metrics.last_only:
        last = " or ".join(["epoch == EPOCHS", *stopping(outline)])
        kept = '{k: v for k, v in row["metrics"].items() if not k.endswith("confusion_matrix")}'
        yield block(f"if not ({last}):", [f'row["metrics"] = {kept}'])


def watched(monitor: str) -> str:
    """Where a monitored value stands in the row."""
    return f'row["{monitor}"]' if monitor.endswith("_loss") else f'row["metrics"][{literal(monitor)}]'
