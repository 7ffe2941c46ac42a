"""Which samples make up which batch: a function of seed and epoch, so that any position can be taken up again."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from worker.training.config import Training
from worker.training.seeds import epoch_generator

from .dataset import Batch, Part

BUCKET_BATCHES = 100


@dataclass(frozen=True)
class Epoch:
    """The batches of one epoch, in order.

    Each batch is gathered into memory of its own: a slice of a larger tensor may start at any address, and matrix
    kernels may round differently there.
    """

    part: Part
    indices: tuple[Tensor, ...]  # CPU positions batch by batch

    @property
    def batches(self) -> int:
        return len(self.indices)

    @classmethod
    def of(cls, part: Part, settings: Training, seed: int, epoch: int, bucket: bool = False) -> "Epoch":
        """Epoch `epoch` (from 1) of a training part."""
        size, samples = settings.batch_size, len(part)
        generator = epoch_generator(seed, epoch)
        order = torch.randperm(samples, generator=generator) if settings.shuffle else torch.arange(samples)
        if bucket and part.lengths is not None:
            order = _sort_windows(order, part.lengths, size * BUCKET_BATCHES)
        indices = torch.split(order, size)
        if settings.drop_last and len(indices[-1]) < size:
            indices = indices[:-1]
        if bucket:
            indices = tuple(indices[i] for i in torch.randperm(len(indices), generator=generator).tolist())
        return cls(part, indices)

    def windows(self, start: int, length: int) -> Iterator[list[Batch]]:
        """Groups of `length` batches from batch number `start` on; the last may be shorter."""
        for first in range(start, len(self.indices), length):
            yield [self.part.select(index, len(index)) for index in self.indices[first : first + length]]


def batches_per_epoch(samples: int, settings: Training) -> int:
    """How many batches an epoch has."""
    whole, rest = divmod(samples, settings.batch_size)
    return whole if settings.drop_last or not rest else whole + 1


def _sort_windows(order: Tensor, lengths: Tensor, window: int) -> Tensor:
    """Sort by length (stable) within windows of the permutation."""
    parts = [part[torch.argsort(lengths[part], stable=True)] for part in torch.split(order, window)]
    return torch.cat(parts)


class OneStep:
    """The epoch of a model without data: one update."""

    batches = 1

    def windows(self, start: int, length: int) -> Iterator[list[Batch]]:
        if start == 0:
            yield [Batch(torch.empty(0), torch.empty(0), None, None, 1)]
