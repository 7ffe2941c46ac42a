"""Function: a formula of named numbers is the loss itself."""

from typing import Self

import torch
from torch import Tensor, nn

from worker.training.config import Component
from worker.training.errors import ConfigError
from worker.training.formulas import compile_tensor, names_in


class Function(nn.Module):
    """Parameters are float32 scalars in the order of `initial`; the forward pass is the loss."""

    def __init__(self, expression: object, initial: dict[str, float]) -> None:
        super().__init__()
        self._compiled = compile_tensor(expression)  # type: ignore[arg-type]
        for name, value in initial.items():  # not as attributes: `half` and `forward` are good names of numbers
            self._parameters[name] = nn.Parameter(torch.tensor(float(value), dtype=torch.float32))

    def train(self, mode: bool = True) -> Self:
        """Has no modes: a number may be called `training`."""
        return self

    def forward(self) -> Tensor:
        value = self._compiled(dict(self.named_parameters()))
        assert isinstance(value, Tensor)
        return value


def build(config: Component) -> nn.Module:
    """Raises ConfigError for an expression of no parameter, or of a name that is none."""
    used = names_in(config["expression"])
    if not used or not used <= config["initial"].keys():
        unknown = sorted(used - config["initial"].keys())
        raise ConfigError(
            "/model/expression", f"unknown names {unknown}" if unknown else "reads none of the parameters"
        )
    return Function(config["expression"], config["initial"])
