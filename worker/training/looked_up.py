"""Embeddings with a largest norm shorten the rows that they look up: a forward pass changes weights, measuring too."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .distributed import World


def looked_up(model: nn.Module) -> list[Tensor]:
    """The weights that a forward pass changes."""
    embeddings = [module for module in model.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag)]
    return [embedding.weight for embedding in embeddings if embedding.max_norm is not None]


class LookedUp:
    """Such weights of some models, and what they were: shortening a row a second time may come to other bits."""

    def __init__(self, models: Iterable[nn.Module]) -> None:
        self._weights = [weight for model in models for weight in looked_up(model)]
        self._before: list[Tensor] = []

    def remember(self) -> None:
        self._before = [weight.detach().clone() for weight in self._weights]

    @torch.no_grad()
    def undo(self) -> None:
        for weight, before in zip(self._weights, self._before, strict=True):
            weight.copy_(before)

    @torch.no_grad()
    def agree(self, world: World) -> None:
        """Give every process the rows that others have looked up."""
        if world.size > 1:
            for weight, before in zip(self._weights, self._before, strict=True):
                weight.copy_(world.changed_rows(weight, before))
