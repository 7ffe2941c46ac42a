"""Models built for their names and shapes alone: nothing is allocated and nothing is drawn."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# What a module's constructor fills its parameters with: on the meta device all of it is time lost.
DRAWS = {
    nn.init.uniform_, nn.init.normal_, nn.init.constant_, nn.init.kaiming_uniform_,
    Tensor.uniform_, Tensor.normal_, Tensor.fill_, Tensor.zero_,
}  # fmt: skip


class _Undrawn(TorchFunctionMode):
    """Leaves tensors without memory as they are."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function in DRAWS:
            tensor = args[0] if args else kwargs["tensor"]
            if tensor.is_meta:
                return tensor
        return function(*args, **kwargs)


@contextmanager
def on_meta() -> Iterator[None]:
    """Modules constructed within are on the meta device."""
    with torch.device("meta"), _Undrawn():
        yield
