"""A layer as the call that makes it, and what a model's source consists of."""

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from worker.training.config import Component
from worker.training.models import layers

from .code import arguments, call, literal
from .sources import source_of

LSTM_IMPORTS = {"from collections.abc import Callable", "from typing import Any"}


@dataclass
class ModelSource:
    """`definitions` come before, `build` is the expression that makes the model."""

    build: str
    definitions: list[str] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)


def layer_call(layer: Component, found: ModelSource) -> str:
    """`nn.Linear(4, 16)`; a layer of the engine's own brings its class along."""
    kind: Any = layers.LAYERS[layer["type"]]
    own = kind in layers.OWN
    if own and (definition := source_of(kind)) not in found.definitions:
        if kind is layers.LSTM:
            found.imports |= LSTM_IMPORTS
            found.definitions.append(source_of(layers.on_any_processor))
        found.definitions.append(definition)
    given = {key: value for key, value in layer.items() if key not in layers.NOT_ARGUMENTS}
    given = {k: tuple(v) if isinstance(v, list) and k not in ("dim", "dims") else v for k, v in given.items()}
    base = kind.__mro__[1] if own and kind.__mro__[1] is not nn.Module else kind
    if base in (nn.LSTM, nn.GRU, nn.RNN):  # their constructors take what their base class does
        texts = arguments(nn.RNNBase.__init__, given)
        if given.get("nonlinearity", "tanh") != "tanh":
            texts.append(f"nonlinearity={literal(given['nonlinearity'])}")
        return call(kind.__name__, texts)
    return call(kind.__name__ if own else f"nn.{kind.__name__}", arguments(base.__init__, given))
