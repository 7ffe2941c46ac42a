"""Augmentation as lines of the loop, and the engine's functions that they call."""

from collections.abc import Iterator
from typing import Any

from worker.training.config import Component
from worker.training.data import augment

from .code import call, literal
from .sources import source_of

FUNCTIONS: dict[str, Any] = {**augment.CHANGES, **augment.MIXES}
HELPERS: dict[str, list[Any]] = {
    "RandomRotation": [augment._bilinear],
    "MixUp": [augment._beta],
    "CutMix": [augment._beta],
}


def definitions(configs: list[Component]) -> Iterator[str]:
    kinds = list(dict.fromkeys(config["type"] for config in configs))
    if any(kind in augment.MIXES for kind in kinds):
        yield source_of(augment.Mixed)
    for kind in kinds:
        yield from (source_of(helper) for helper in HELPERS.get(kind, []))
        yield source_of(FUNCTIONS[kind])


def lines(configs: list[Component]) -> Iterator[str]:
    """From the batch (x, y) to the batch as the model shall see it; a mix brings (other, share)."""
    for config in configs:
        kind = config["type"]
        options = [f"{key}={literal(value)}" for key, value in config.items() if key != "type" and value is not None]
        function = FUNCTIONS[kind].__name__
        if kind in augment.MIXES:
            yield f"x, other, share = {call(function, ['x', 'y', 'augmentation', *options])}"
        else:
            yield f"x = {call(function, ['x', 'augmentation', *options])}"
