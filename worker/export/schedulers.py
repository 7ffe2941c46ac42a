"""The schedule as torch's own objects, nested as in the spec; formulas become lambdas."""

import inspect
from typing import Any

from torch.optim import lr_scheduler

from worker.training.config import Component
from worker.training.schedules.range_test import RangeTest

from .code import arguments, call, literal
from .expressions import expression
from .sources import source_of

PREFIX = "torch.optim.lr_scheduler."
OWN = ("type", "interval", "monitor", "schedulers", "lr_lambda", "milestones")


def scheduler_source(config: Component, total: int, groups: int, phase: int) -> tuple[list[str], str]:
    """Definitions, and the expression that makes the scheduler. `total`: its epochs or steps."""
    if config["type"] == "WarmupCosine":
        name = f"warmup_cosine_{phase + 1}" if phase else "warmup_cosine"
        return [warmup_cosine(config, total, name)], f"{PREFIX}LambdaLR(optimizer, {name})"
    if config["type"] == "RangeTest":
        given = ["optimizer", literal(config["min_lr"]), literal(config["max_lr"]), literal(total)]
        return [source_of(RangeTest)], call("RangeTest", given)
    return [], build(config, groups)


def build(config: Component, groups: int) -> str:
    kind = config["type"]
    function = f"{PREFIX}{kind}"
    if kind in ("SequentialLR", "ChainedScheduler"):
        inner = call("", [build(nested, groups) for nested in config["schedulers"]])
        listed = "[" + inner[1:-1].rstrip(",") + "]" if "\n" not in inner else "[" + inner[1:-1] + "]"
        if kind == "ChainedScheduler":
            return call(function, [listed, "optimizer"])
        return call(function, ["optimizer", listed, f"milestones={literal(config['milestones'])}"])
    if kind in ("LambdaLR", "MultiplicativeLR"):
        return call(function, ["optimizer", lambdas(config["lr_lambda"])])
    given: dict[str, Any] = {key: value for key, value in config.items() if key not in OWN}
    if "milestones" in config:
        given["milestones"] = config["milestones"]
    return call(function, ["optimizer", *named(getattr(lr_scheduler, kind), given)])


def named(kind: Any, given: dict[str, Any]) -> list[str]:
    """All by name: `step_size=10` says more than 10."""
    written = arguments(kind.__init__, given)
    required = [
        name
        for name, parameter in inspect.signature(kind.__init__).parameters.items()
        if parameter.default is inspect.Parameter.empty and name in given
    ]
    named_already = {text.partition("=")[0] for text in written if text.partition("=")[0] in given}
    return [f"{name}={literal(given[name])}" for name in required] + [
        text for text in written if text.partition("=")[0] in named_already and text.partition("=")[0] not in required
    ]


def lambdas(trees: Any) -> str:
    several = isinstance(trees, list) and (not isinstance(trees[0], str) or trees[0] == "epoch")
    texts = [f"lambda epoch: {expression(tree, {'epoch': False})}" for tree in (trees if several else [trees])]
    return "[" + ", ".join(texts) + "]" if several else texts[0]


def warmup_cosine(config: Component, total: int, name: str) -> str:
    warmup, m = literal(config["warmup"]), literal(config.get("min_factor", 0.0))
    return f"""def {name}(epoch):
    if epoch < {warmup}:
        return (epoch + 1) / {warmup}
    return {m} + (1 - {m}) * 0.5 * (1 + math.cos(math.pi * (epoch - {warmup}) / ({total} - {warmup})))"""
