"""What the processes of one training tell each other. Each has the whole model; a batch is cut into a piece for each.

Gradients are added element by element in the order of the ranks, whatever the backend's own order would be (NCCL's
depends on what it finds, DistributedDataParallel's buckets on the first step after a start): so a resumed run adds as
the uninterrupted one did, and one process that takes the pieces in turn comes to the same bits.
"""

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .data import Batch


class World:
    """The processes of one training, `size` of them; with one of them nothing here costs anything.

    The first, of rank 0, leads: it reports, writes checkpoints, and decides what depends on a clock or on a request.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def agree(self, *values: int) -> list[int]:
        """The leader's values, everywhere."""
        if self.size == 1:
            return list(values)
        told = torch.tensor(values, dtype=torch.int64)
        dist.broadcast(told, 0)
        return told.tolist()

    def sizes(self, samples: int) -> list[int]:
        """How many samples of a batch each process takes: as equal as can be, the first ones one more."""
        whole, rest = divmod(samples, self.size)
        return [whole + (rank < rest) for rank in range(self.size)]

    def piece(self, batch: Batch) -> Batch:
        """This process's share of a batch, in memory of its own: kernels may round by where a tensor starts.

        `part` is its weight in the batch's loss. With fewer samples than processes, those without one look at the last
        sample, and it counts nothing: so every process has the same gradients to add.
        """
        if self.size == 1:
            return batch
        sizes = self.sizes(batch.size)
        stop = sum(sizes[: self.rank + 1])
        start = stop - (sizes[self.rank] or 1)
        return Batch(
            batch.inputs[start:stop].clone(),
            batch.targets[start:stop].clone(),
            _cut(batch.lengths, start, stop),
            _cut(batch.weights, start, stop),
            batch.size,
            _cut(batch.other_targets, start, stop),
            batch.share,
            part=sizes[self.rank] / batch.size,
        )

    def whole(self, mine: Tensor, samples: int) -> Tensor:
        """All processes' rows of a batch, in its order."""
        if self.size == 1:
            return mine
        sizes = self.sizes(samples)
        padded = mine.new_zeros((max(sizes), *mine.shape[1:]))
        padded[: sizes[self.rank]] = mine[: sizes[self.rank]]
        return torch.cat([rows[:size] for rows, size in zip(self._gathered(padded), sizes, strict=True)])

    def losses(self, mine: Tensor, samples: Sequence[int]) -> list[float]:
        """Losses of whole batches out of those of the pieces [batches]: Σ (loss · size) / Σ size in float64."""
        pieces = self.of_ranks(mine)
        if self.size == 1:
            return pieces[0]
        return [
            sum(losses[i] * size for losses, size in zip(pieces, self.sizes(total), strict=True) if size) / total
            for i, total in enumerate(samples)
        ]

    def summed(self, mine: Tensor) -> Tensor:
        """The sum over all processes, in the order of their ranks."""
        if self.size == 1:
            return mine
        return _in_turn(self._gathered(mine))

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace each gradient by the sum over all processes."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        dense = [gradient for gradient in gradients if not gradient.is_sparse]
        if dense:
            self._sum_dense(dense)
        for parameter in parameters:
            if parameter.grad is not None and parameter.grad.is_sparse:
                parameter.grad = self._sum_sparse(parameter.grad)

    def changed_rows(self, mine: Tensor, before: Tensor) -> Tensor:
        """Each row as the first process left it that changed it."""
        found = before
        for theirs in reversed(self._gathered(mine.detach())):
            found = torch.where((theirs != before).any(1, keepdim=True), theirs, found)
        return found

    def share_buffers(self, model: nn.Module) -> None:
        """Give every process the leader's running statistics: only its pieces have made them, as with torch's DDP."""
        if self.size > 1:
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)

    def share(self, model: nn.Module) -> None:
        """Give every process the leader's weights."""
        if self.size > 1:
            for tensor in model.state_dict().values():
                dist.broadcast(tensor, 0)

    def from_rank(self, rank: int, mine: Tensor, shape: Sequence[int]) -> Tensor:
        """The tensor of one process, of that shape, everywhere."""
        if self.size == 1:
            return mine
        found = mine.contiguous() if rank == self.rank else mine.new_empty(tuple(shape))
        dist.broadcast(found, rank)
        return found

    def of_ranks(self, mine: Tensor) -> list[list[float]]:
        """The numbers [N] of every process, by rank."""
        return [mine.tolist()] if self.size == 1 else [numbers.tolist() for numbers in self._gathered(mine)]

    def told(self, mine: object) -> list[object]:
        """What every process says, by rank."""
        if self.size == 1:
            return [mine]
        said: list[object] = [None] * self.size
        dist.all_gather_object(said, mine)
        return said

    def _gathered(self, mine: Tensor) -> list[Tensor]:
        found = [torch.empty_like(mine) for _ in range(self.size)]
        dist.all_gather(found, mine.contiguous())
        return found

    def _sum_dense(self, gradients: list[Tensor]) -> None:
        """Each process adds up its slice of all gradients, then hands it round: the traffic of a ring's all-reduce."""
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        flat = nn.functional.pad(flat, (0, -len(flat) % self.size))
        slices = torch.empty_like(flat)
        dist.all_to_all_single(slices, flat)
        mine = _in_turn(list(slices.chunk(self.size)))
        dist.all_gather(list(flat.chunk(self.size)), mine)
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()

    def _sum_sparse(self, gradient: Tensor) -> Tensor:
        """The rows of all processes one after the other; one that several have is added in that order."""
        own = gradient.coalesce()
        counts = [int(count) for count in self._gathered(torch.tensor([own._nnz()], device=own.device))]
        indices = own.indices().new_zeros((max(counts), own.sparse_dim()))
        values = own.values().new_zeros((max(counts), *own.values().shape[1:]))
        indices[: own._nnz()], values[: own._nnz()] = own.indices().T, own.values()
        rows = [found[:count] for found, count in zip(self._gathered(indices), counts, strict=True)]
        parts = [found[:count] for found, count in zip(self._gathered(values), counts, strict=True)]
        found = torch.sparse_coo_tensor(torch.cat(rows).T, torch.cat(parts), own.shape, check_invariants=False)
        return found.coalesce()


ALONE = World()


def _cut(tensor: Tensor | None, start: int, stop: int) -> Tensor | None:
    return None if tensor is None else tensor[start:stop].clone()


def _in_turn(tensors: list[Tensor]) -> Tensor:
    total = tensors[0].clone()
    for tensor in tensors[1:]:
        total += tensor
    return total
