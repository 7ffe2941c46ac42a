"""What each phase begins with: freezing, its optimizer or what joins the last one, its scheduler."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from worker.resolve import Resolution
from worker.training.config import Component, Config
from worker.training.optimizers.groups import grouped_names

from . import mixed
from .code import block, call, literal
from .optimizers import group_source, optimizer_call, rule_class
from .schedulers import scheduler_source


@dataclass
class Phases:
    """`definitions` are filled while the phases are written."""

    config: Config
    resolution: Resolution
    definitions: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._model: nn.Module = self.resolution.model
        self._names = [name for name, _ in self._model.named_parameters()]
        self._held: set[str] = set()
        self._last: Component = {}
        self._groups = 0

    def starts(self) -> Iterator[list[str]]:
        for index, phase in enumerate(self.config.phases):
            lines = list(self._freezing(phase.freeze)) if phase.freeze or index else []
            if phase.optimizer is not None:
                lines.append(self._optimizer(index, phase.optimizer, phase.freeze))
            else:
                lines += self._joining(phase.freeze)
            lines += self._scheduler(index, phase.scheduler)
            yield lines

    def _freezing(self, names: list[str]) -> Iterator[str]:
        frozen = call("", map(literal, names)).replace("(", "{", 1)[:-1] + "}"
        yield f"frozen = {frozen}" if names else "frozen = set()"
        line = "parameter.requires_grad_(name not in frozen)"
        yield block("for name, parameter in model.named_parameters():", [line])

    def _optimizer(self, index: int, optimizer: Component, frozen: list[str]) -> str:
        self._last, self._held = optimizer, set(self._names) - set(frozen)
        own = grouped_names(optimizer, self._names, set(frozen), "")
        groups = [{"params": names, **options} for names, options in own]
        self._groups = len(groups)
        line = optimizer_call({**optimizer, "groups": groups}, self._model, frozen)
        if optimizer["type"] == "UpdateRule":
            name = "UpdateRule" if not index else f"UpdateRule{index + 1}"
            rule = rule_class(optimizer, self.config.seed, name)
            self.definitions += [*mixed.definitions(rule), rule]
            line = line.replace("UpdateRule", name, 1)
        return f"optimizer = {line}"

    def _joining(self, frozen: list[str]) -> Iterator[str]:
        absent = (self._held | set(frozen)) & set(self._names)
        for own, options in grouped_names(self._last, self._names, absent, ""):
            yield f"optimizer.add_param_group({group_source({'params': own, **options}, self._model)})"
            self._groups += 1
        self._held |= set(self._names) - set(frozen)

    def _scheduler(self, index: int, settings: dict[str, Any] | None) -> Iterator[str]:
        by_step = settings is not None and settings.get("interval") == "step"
        if settings is not None:
            epochs = self.config.phases[index].epochs
            total = epochs * self.resolution.work.steps_per_epoch if by_step else epochs
            made, build = scheduler_source(settings, total, self._groups, index)
            self.definitions += made
            yield f"scheduler = {build}"
        if len(self.config.phases) > 1:
            if settings is None:
                yield "scheduler = None"
            plateau = settings is not None and settings["type"] == "ReduceLROnPlateau"
            monitor = literal(settings["monitor"]) if settings is not None and plateau else None
            yield f"phase, by_step, monitor = {index}, {by_step}, {monitor}"
