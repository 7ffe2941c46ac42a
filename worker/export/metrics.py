"""The metrics of the rows: right answers are counted in the loop, all else is torchmetrics', as the engine has it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from worker.training.config import Component
from worker.training.metrics import FOLD_BATCHES, FOLD_ELEMENTS, ON_LAST_EPOCH_ONLY, REGRESSION, names

from .code import block, call, literal

COUNTED = ("accuracy", "top_k_accuracy")
CLASSES = {
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1Score",
    "auroc": "AUROC",
    "confusion_matrix": "ConfusionMatrix",
}
NUMBERS = {
    "mae": "MeanAbsoluteError()",
    "rmse": "MeanSquaredError(squared=False)",
    "r2": "R2Score()",
    "perplexity": "Perplexity()",
}
DOC = '"""Updated in folds of many batches, as the job\'s were: sums of floats depend on what is added first."""'


@dataclass
class MetricSource:
    """`hits`: for each accuracy, the source of a tensor of right answers; `folded`: for each other metric, how it is
    made and what it is updated with."""

    hits: dict[str, str] = field(default_factory=dict)
    folded: dict[str, tuple[str, str]] = field(default_factory=dict)
    scores: str = "outputs, targets"  # source of what the metrics of classes see of outputs and targets
    simple: bool = False  # accuracy alone is counted, one answer a sample

    def __bool__(self) -> bool:
        return bool(self.hits or self.folded)

    @property
    def last_only(self) -> bool:
        return any(made.partition("(")[0].endswith("ConfusionMatrix") for made, _ in self.folded.values())

    @property
    def counters(self) -> list[str]:
        return ["correct"] if self.simple else ["answers"] if self.hits else []

    def reset(self) -> list[str]:
        lines = ["metrics = Metrics()"] if self.folded else []
        if self.simple:
            return [*lines, "correct = 0"]
        return [*lines, f"answers, right = 0, dict.fromkeys({literal(list(self.hits))}, 0)"] if self.hits else lines

    def count(self) -> list[str]:
        lines = ["metrics.add(outputs.detach(), y)"] if self.folded else []
        if self.simple:
            return [*lines, f"correct += int(({self.hits['accuracy']}).sum())"]
        for name, text in self.hits.items():
            lines += [f"hits = {text}", f"right[{literal(name)}] += int(hits.sum())"]
        return [*lines, "answers += hits.numel()"] if self.hits else lines

    def result(self, samples: str, prefix: str = "") -> str:
        """The metrics by name."""
        named = f'f"{prefix}{{name}}"' if prefix else "name"
        counted = f"{{{named}: count / answers for name, count in right.items()}}" if self.hits else "{}"
        if self.simple:
            counted = f'{{"{prefix}accuracy": correct / {samples}}}'
        if not self.folded:
            return counted
        found = f"metrics.results({literal(prefix) if prefix else ''})"
        return f"{{**{counted}, **{found}}}" if self.hits else found

    def definitions(self, device: str) -> Iterator[str]:
        """The class `Metrics`."""
        if not self.folded:
            return
        on = f".to({literal(device)})" if device != "cpu" else ""
        made = "".join(f"    {literal(name)}: {text}{on},\n" for name, (text, _) in self.folded.items())
        begin = block("def __init__(self):", [f"self.metrics = {{\n{made}}}", "self.waiting = []"])
        size = "sum(outputs.numel() for outputs, _ in self.waiting)"
        full = f"len(self.waiting) == {FOLD_BATCHES} or {size} >= 2**{FOLD_ELEMENTS.bit_length() - 1}"
        lines = ["self.waiting.append((outputs, targets))", block(f"if {full}:", ["self.fold()"])]
        add = block("def add(self, outputs, targets):", lines)
        lines = ["outputs, targets = (torch.cat(column) for column in zip(*self.waiting))", "self.waiting = []"]
        lines.append("outputs = outputs.float()")
        if any("scores" in seen for _, seen in self.folded.values()):
            lines.append(f"scores, classes = {self.scores}")
        lines += [f"self.metrics[{literal(name)}].update({seen})" for name, (_, seen) in self.folded.items()]
        fold = block("def fold(self):", lines)
        found = "{prefix + name: metric.compute().tolist() for name, metric in self.metrics.items()}"
        results = block(
            'def results(self, prefix=""):', [block("if self.waiting:", ["self.fold()"]), f"return {found}"]
        )
        yield block("class Metrics:", [DOC, "", begin, "", add, "", fold, "", results])

    def imports(self) -> Iterator[str]:
        used = sorted({made.partition("(")[0] for made, _ in self.folded.values()})
        parts = {"classification": ("Binary", "Multiclass"), "regression": ("Mean", "R2"), "text": ("Perplexity",)}
        for module, starts in parts.items():
            if kinds := [kind for kind in used if kind.startswith(starts)]:
                yield f"from torchmetrics.{module} import {', '.join(kinds)}"


def metric_source(
    configs: list[Component], outputs: list[int], targets: list[int], targets_are_classes: bool, half: bool
) -> MetricSource:
    """`outputs` and `targets` are the shapes of one sample's; `half`: outputs come in a narrower type than float32."""
    found = MetricSource()
    binary = not outputs or outputs[-1] == 1 or not targets_are_classes
    last = len(outputs) > 1 and outputs[:-1] == targets  # [B, T, V]: the classes come last
    width = 1 if binary else outputs[-1] if last else outputs[0]
    if binary:
        found.scores = "outputs.flatten(), targets.flatten().long()"
    elif len(outputs) > 1:
        flat = "outputs.flatten(0, -2)" if last else "outputs.movedim(1, -1).flatten(0, -2)"
        found.scores = f"{flat}, targets.flatten()"
    for name, config in zip(names(configs), configs, strict=True):
        if config["type"] in COUNTED:
            text = hits(config, outputs, binary, last)
            found.hits[name] = text if half else text.replace(".float()", "")
        else:
            found.folded[name] = folded(config, width)
    found.simple = list(found.hits) == ["accuracy"] and len(outputs) < 2
    return found


def hits(config: Component, outputs: list[int], binary: bool, last: bool) -> str:
    """A tensor that says of each answer whether it is right."""
    if binary:
        return "(outputs.flatten() > 0) == (y.flatten() >= 1)"
    axis = -1 if last else 1
    k: Any = config.get("k", 5) if config["type"] == "top_k_accuracy" else 1
    if k == 1:
        return f"outputs.float().argmax({axis}) == y"
    best = f"outputs.float().topk({min(k, outputs[axis if last else 0])}, {axis}).indices"
    return f"({best} == y.unsqueeze({axis})).any({axis})"


def folded(config: Component, width: int) -> tuple[str, str]:
    """How torchmetrics' class is made, and what it is updated with."""
    kind = config["type"]
    if kind in NUMBERS:
        seen = "outputs.flatten().double(), targets.flatten().double()"
        made = f"{NUMBERS[kind]}.set_dtype(torch.float64)"
        return made, seen if kind in REGRESSION else "scores.double()[None], classes[None]"
    if width == 1:
        return f"Binary{CLASSES[kind]}()", "scores.sigmoid(), classes"
    seen = "scores.softmax(1), classes" if kind == "auroc" else "scores, classes"
    average = [] if kind in ON_LAST_EPOCH_ONLY else [f"average={literal(config.get('average') or 'macro')}"]
    return call(f"Multiclass{CLASSES[kind]}", [f"num_classes={width}", *average]), seen
