"""The loss and the count of right answers, for the shapes that this model's outputs and targets have."""

from dataclasses import dataclass, field
from typing import Any

from worker.training.config import Component
from worker.training.losses import CLASS_LOSSES, LABEL_LOSSES, LOSSES, TENSOR_ARGUMENTS
from worker.training.metrics import names

from .code import arguments, call, literal

COUNTED = ("accuracy", "top_k_accuracy")


@dataclass
class LossSource:
    lines: list[str]
    definitions: list[str] = field(default_factory=list)
    like: bool = False  # targets take the outputs' shape
    labels: bool = False  # targets are rows of class indices, which come as floats
    flat: bool = False  # [B, T, V] and [B, T] become [B * T, V] and [B * T]
    weighted: bool = False

    def of(self, targets: str) -> str:
        """Source of the loss of `outputs` and these targets."""
        weight = ", w" if self.weighted else ""
        function = "weighted_loss" if self.weighted else "loss_function"
        if self.flat:
            return f"{function}(outputs.flatten(0, 1), {targets}.flatten(){weight})"
        like = f"{targets}.view_as(outputs)" if self.like else targets
        return f"{function}(outputs, {like}{'.long()' * self.labels}{weight})"


def loss_source(config: Component, outputs: list[int], targets: list[int], weighted: bool, device: str) -> LossSource:
    """`outputs` and `targets` are the shapes of one sample's."""
    kind = config["type"]
    on = f", device={literal(device)}" if device != "cpu" else ""
    tensors = {
        key: f"{key}=torch.tensor({literal(config[key])}{on})"
        for key in sorted(TENSOR_ARGUMENTS & config.keys())
        if config[key] is not None
    }
    plain = {key: value for key, value in config.items() if key != "type" and key not in TENSOR_ARGUMENTS}
    texts = [*tensors.values(), *arguments(LOSSES[kind].__init__, plain)]
    found = LossSource([f"loss_function = {call(f'nn.{kind}', texts)}"], weighted=weighted)
    if kind in CLASS_LOSSES:
        found.flat = len(outputs) == 2 and len(targets) == 1 and outputs[:1] == targets
    else:
        found.like, found.labels = outputs != targets, kind in LABEL_LOSSES
    if weighted:
        each = call(f"nn.{kind}", [*texts, 'reduction="none"'])
        found.lines = [f"each_loss = {each}"]
        found.definitions.append(WEIGHTED)
    return found


WEIGHTED = '''def weighted_loss(outputs, targets, weights):
    """The mean weighted by sample."""
    losses = each_loss(outputs, targets).reshape(len(weights), -1).mean(1)
    return (losses * weights).sum() / weights.sum()'''


@dataclass
class MetricSource:
    """`hits`: for each metric of the rows, the source of a tensor of right answers."""

    hits: dict[str, str]
    left_out: list[str]
    simple: bool = False  # accuracy alone, one answer a sample

    def reset(self) -> list[str]:
        if self.simple:
            return ["correct = 0"]
        return [f"answers, right = 0, dict.fromkeys({literal(list(self.hits))}, 0)"] if self.hits else []

    def count(self) -> list[str]:
        if self.simple:
            return [f"correct += int(({self.hits['accuracy']}).sum())"]
        lines: list[str] = []
        for name, text in self.hits.items():
            lines += [f"hits = {text}", f"right[{literal(name)}] += int(hits.sum())"]
        return [*lines, "answers += hits.numel()"] if lines else []

    def result(self, part: str, samples: str) -> str:
        """The metrics of the row."""
        if self.simple:
            return f'{{"{part}_accuracy": correct / {samples}}}'
        return f'{{f"{part}_{{name}}": count / answers for name, count in right.items()}}' if self.hits else "{}"

    @property
    def counters(self) -> str:
        return "correct" if self.simple else "answers"


def metric_source(
    configs: list[Component], outputs: list[int], targets: list[int], targets_are_classes: bool, half: bool
) -> MetricSource:
    """`half`: the outputs come in a narrower type than float32."""
    hits: dict[str, str] = {}
    left_out: list[str] = []
    for name, config in zip(names(configs), configs, strict=True):
        text = _hits(config, outputs, targets, targets_are_classes)
        if text is None:
            left_out.append(name)
        else:
            hits[name] = text if half else text.replace(".float()", "")
    simple = list(hits) == ["accuracy"] and (len(outputs) == 1 or not outputs)
    return MetricSource(hits, left_out, simple)


def _hits(config: Component, outputs: list[int], targets: list[int], classes: bool) -> str | None:
    if config["type"] not in COUNTED:
        return None
    if not outputs or outputs[-1] == 1 or not classes:
        return "(outputs.flatten() > 0) == (y.flatten() >= 1)"
    last = len(outputs) > 1 and outputs[:-1] == targets
    k: Any = config.get("k", 5) if config["type"] == "top_k_accuracy" else 1
    if k == 1:
        return "outputs.float().argmax(-1) == y" if last else "outputs.float().argmax(1) == y"
    if len(outputs) > 1 and not last:
        return None
    return f"(outputs.float().topk({min(k, outputs[-1])}, -1).indices == y.unsqueeze(-1)).any(-1)"
