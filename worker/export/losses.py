"""The loss, for the shapes that this model's outputs and targets have."""

from dataclasses import dataclass, field

from worker.training.config import Component
from worker.training.losses import CLASS_LOSSES, LABEL_LOSSES, LOSSES, TENSOR_ARGUMENTS

from .code import arguments, call, literal


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
    return (losses * weights).sum() / weights.sum().clamp(min=torch.finfo(torch.float32).tiny)'''
