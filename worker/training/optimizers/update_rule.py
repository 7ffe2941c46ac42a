"""UpdateRule: the user's own optimizer, formulas over each parameter, compiled once into tensor operations."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from worker.training.errors import ConfigError
from worker.training.formulas import Tree, compile_tensor, names_in
from worker.training.seeds import noise_generator


class UpdateRule(torch.optim.Optimizer):
    """Elementwise, in the parameter's dtype, over param, grad, lr, step (from 1), noise, hyperparameters and state.

    `update` is a list of (target, tree). `noise` is standard normal of the parameter's shape: one generator a step,
    seeded by (seed, step), drawn on the CPU parameter by parameter in the order of the groups.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        update: list[tuple[str, Tree]],
        seed: int,
        hyperparameters: dict[str, float] | None = None,
        state: dict[str, float] | None = None,
        pointer: str = "/optimizer",
    ) -> None:
        super().__init__(params, {"lr": lr})
        self._formulas = [(target, compile_tensor(tree)) for target, tree in update]
        self._hyperparameters, self._initial = dict(hyperparameters or {}), dict(state or {})
        self._pointer = pointer
        self._seed, self._noisy = seed, any("noise" in names_in(tree) for _, tree in update)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        generator: torch.Generator | None = None
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["step"] = 0
                    for name, value in self._initial.items():
                        state[name] = torch.full_like(parameter, value)
                state["step"] += 1
                if self._noisy and generator is None:
                    generator = noise_generator(self._seed, state["step"])
                self._apply(parameter, state, float(group["lr"]), generator)
        return loss

    def _apply(self, parameter: Tensor, state: dict[str, Any], lr: float, generator: torch.Generator | None) -> None:
        values = {
            **self._hyperparameters,
            **{name: state[name] for name in self._initial},
            "param": parameter,
            "grad": parameter.grad,
            "lr": lr,
            "step": float(state["step"]),
        }
        if generator is not None:
            drawn = torch.randn(parameter.shape, generator=generator)
            values["noise"] = drawn.to(device=parameter.device, dtype=parameter.dtype)
        for index, (target, formula) in enumerate(self._formulas):
            try:
                values[target] = formula(values)
            except (ArithmeticError, ValueError) as error:  # of numbers: tensors become infinite or nan instead
                where = f"{self._pointer}/update/{index}"
                raise ConfigError(where, f"has no value at step {state['step']}: {error}") from error
        for name in self._initial:
            value = values[name]
            if value is parameter:
                value = parameter.clone()  # "previous = param" keeps what stood before the update
            if value is not state[name]:
                state[name] = value if isinstance(value, Tensor) else torch.full_like(parameter, value)
        parameter.copy_(values["param"])
