"""The metrics of the rows: right answers are counted in the loop, all else is torchmetrics', as the engine has it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from worker.training.config import Config
from worker.training.metrics import FOLD_BATCHES, FOLD_ELEMENTS, names

from .code import block, literal
from .metric_calls import NUMBERS, hits, of_answers, of_classes, of_numbers

COUNTED = ("accuracy", "top_k_accuracy")
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
        parts = {"classification": ("Binary", "Multi"), "regression": ("Mean", "R2"), "text": ("Perplexity",)}
        for module, starts in parts.items():
            if kinds := [kind for kind in used if kind.startswith(starts)]:
                yield f"from torchmetrics.{module} import {', '.join(kinds)}"


def metric_source(config: Config, outputs: list[int], targets: list[int], targets_are_classes: bool) -> MetricSource:
    """`outputs` and `targets` are the shapes of one sample's."""
    found = MetricSource()
    half = config.training.precision != "float32"  # what the outputs come in
    probabilities = config.loss is not None and config.loss["type"] == "BCELoss"
    binary = not outputs or outputs[-1] == 1 or not targets_are_classes
    labels = len(outputs) == 1 and outputs[0] > 1 and not targets_are_classes  # several answers of yes and no
    last = len(outputs) > 1 and outputs[:-1] == targets  # [B, T, V]: the classes come last
    width = outputs[0] if labels else 1 if binary else outputs[-1] if last else outputs[0]
    scores = "outputs.double().logit()" if probabilities else "outputs"
    if labels:
        found.scores = f"{scores}, targets.long()"
    elif binary:
        found.scores = f"{scores}.flatten(), targets.flatten().long()"
    elif len(outputs) > 1:
        flat = "outputs.flatten(0, -2)" if last else "outputs.movedim(1, -1).flatten(0, -2)"
        found.scores = f"{flat}, targets.flatten()"
    for name, metric in zip(names(config.metrics), config.metrics, strict=True):
        if metric["type"] in COUNTED:
            yes = f"(outputs.flatten() > {0.5 if probabilities else 0}) == (y.flatten() >= 1)"
            text = yes if binary else hits(metric, outputs, last)
            found.hits[name] = text if half else text.replace(".float()", "")
        elif metric["type"] in NUMBERS:
            found.folded[name] = of_numbers(metric["type"], outputs)
        else:
            found.folded[name] = of_answers(metric, width) if binary else of_classes(metric, width)
    found.simple = list(found.hits) == ["accuracy"] and len(outputs) < 2 and not labels
    return found
