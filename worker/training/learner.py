"""What learns: the model, its average, and the optimizer, schedule and scaler of the phase in force."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from . import models, optimizers, schedules
from .config import Component, Config
from .errors import ConfigError
from .losses import build as build_loss
from .packing import copied
from .updates import Objective

EMA = "ema."
MODEL = "model."


class Learner:
    """Everything is built from the config; state is only ever loaded into it, the optimizer's last."""

    def __init__(self, config: Config, device: torch.device, steps_per_epoch: int) -> None:
        self._config, self._device, self._steps_per_epoch = config, device, steps_per_epoch
        torch.manual_seed(config.seed)
        self.model = models.build(config.model).to(device)
        self.parameters = dict(self.model.named_parameters())
        self.loss = build_loss(config.loss, device) if config.loss is not None else None
        if self.loss is None and config.model["type"] != "Function":
            raise ConfigError("/loss", "is required for this model")
        self.objective = Objective(self.model, self.loss, config.training, device)
        half = config.training.precision == "float16"
        self.scaler = torch.amp.GradScaler(device.type) if half else None
        self.averaged: AveragedModel | None = None
        if config.training.ema_decay is not None:
            average = get_ema_multi_avg_fn(config.training.ema_decay)  # type: ignore[no-untyped-call]
            self.averaged = AveragedModel(self.model, multi_avg_fn=average)
        self.phase = -1
        self.optimizer: torch.optim.Optimizer
        self.scheduler: schedules.Scheduler | None = None
        self._build_phases(0)

    def enter(self, phase: int) -> None:
        """Go on to a phase: freeze and thaw; its optimizer, or what thaws joins the last one; its scheduler."""
        settings = self._config.phases[phase]
        pointer = self._config.pointer(phase, "optimizer")
        unknown = [name for name in settings.freeze if name not in self.parameters]
        if unknown:
            raise ConfigError(f"/phases/{phase}/freeze", f"the model has no {', '.join(unknown)}")
        for name, parameter in self.parameters.items():
            parameter.requires_grad_(name not in settings.freeze)
        if settings.optimizer is not None:
            self.optimizer = optimizers.build(
                settings.optimizer, self.parameters, settings.freeze, self._config.seed, pointer
            )
        elif phase == 0:
            raise ConfigError(pointer, "is required in the first phase")
        else:
            owner = max(i for i in range(phase) if self._config.phases[i].optimizer is not None)
            last = self._config.phases[owner].optimizer
            assert last is not None
            pointer = self._config.pointer(owner, "optimizer")
            optimizers.add_thawed(self.optimizer, last, self.parameters, settings.freeze, pointer)
        if self.scaler is not None and optimizers.needs_closure(self.optimizer):
            raise ConfigError(
                "/training/precision", "LBFGS evaluates its closure several times: float16 scaling does not fit it"
            )
        self.scheduler = self._build_scheduler(phase)
        self.phase = phase

    def _build_scheduler(self, phase: int) -> schedules.Scheduler | None:
        settings = self._config.phases[phase]
        if settings.scheduler is None:
            return None
        steps = settings.epochs * self._steps_per_epoch
        pointer = self._config.pointer(phase, "scheduler")
        return schedules.build(settings.scheduler, self.optimizer, settings.epochs, steps, pointer)

    @property
    def scheduler_config(self) -> Component | None:
        return self._config.phases[self.phase].scheduler

    @property
    def scheduler_interval(self) -> str | None:
        settings = self._config.phases[self.phase].scheduler
        return None if settings is None else settings.get("interval") or "epoch"

    def _build_phases(self, phase: int) -> None:
        """Build the groups that phase `phase` has, from the phase whose optimizer it goes on with."""
        first = max((i for i in range(phase + 1) if self._config.phases[i].optimizer is not None), default=0)
        for index in range(first, phase + 1):
            self.enter(index)

    def optimized_names(self) -> list[str]:
        """Names of the optimizer's parameters, in the order of its groups."""
        names = {id(parameter): name for name, parameter in self.parameters.items()}
        return [names[id(parameter)] for group in self.optimizer.param_groups for parameter in group["params"]]

    def tensors(self) -> dict[str, Tensor]:
        """Copies of the weights under their names in a checkpoint."""
        found = {MODEL + name: copied(tensor) for name, tensor in self.model.state_dict().items()}
        if self.averaged is not None:
            state = self.averaged.module.state_dict()
            found |= {EMA + name: copied(tensor) for name, tensor in state.items()}
        return found

    def state(self) -> dict[str, Any]:
        """All but the named weights, live and aliased: to be packed at once."""
        return {
            "phase": self.phase,
            "optimizer": self.optimizer.state_dict(),
            "learning_rates": optimizers.learning_rates(self.optimizer),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
            "averaged": None if self.averaged is None else self.averaged.n_averaged,
            "buffers": {
                name: tensor
                for name, tensor in self.model.named_buffers()
                if name in _not_persistent(self.model) and not tensor.is_meta
            },
        }

    def load(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Take up a saved state: build, then load, the optimizer last; then check that the rates are the saved ones."""
        self._build_phases(state["phase"])
        self.load_weights(tensors)
        buffers = dict(self.model.named_buffers())
        with torch.no_grad():
            for name, tensor in state["buffers"].items():
                buffers[name].copy_(tensor)
        if self.averaged is not None:
            found = {name.removeprefix(EMA): tensor for name, tensor in tensors.items() if name.startswith(EMA)}
            self.averaged.module.load_state_dict(found)
            self.averaged.n_averaged.copy_(state["averaged"])
        if self.scaler is not None:
            self.scaler.load_state_dict(state["scaler"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        self.optimizer.load_state_dict(state["optimizer"])
        optimizers.state_dtypes(self.optimizer, state["optimizer"])
        rates = optimizers.learning_rates(self.optimizer)
        if rates != state["learning_rates"]:
            raise RuntimeError(f"learning rates {rates} after loading are not the saved {state['learning_rates']}")

    def load_weights(self, tensors: dict[str, Tensor]) -> None:
        """Put a checkpoint's weights in force."""
        found = {name.removeprefix(MODEL): tensor for name, tensor in tensors.items() if name.startswith(MODEL)}
        self.model.load_state_dict(found)


def _not_persistent(model: nn.Module) -> set[str]:
    saved = model.state_dict().keys()
    return {name for name, _ in model.named_buffers() if name not in saved}
