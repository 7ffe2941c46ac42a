"""Seeds of the spec contract: everything drawn outside the forward pass has a generator of its own."""

import torch

STRIDE = 1_000_003
BITS = 2**32  # torch's CPU generator keeps 32 bits of a seed


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """Draws the permutation of an epoch (from 1)."""
    return torch.Generator().manual_seed((seed * STRIDE + epoch) % BITS)


def augmentation_generator(seed: int, epoch: int, device: torch.device) -> torch.Generator:
    """Draws the augmentation of an epoch (from 1)."""
    return torch.Generator(device).manual_seed((seed * STRIDE + epoch + 2**31) % BITS)


def noise_generator(seed: int, step: int) -> torch.Generator:
    """Draws the `noise` of an UpdateRule's step (from 1)."""
    return torch.Generator().manual_seed((seed * STRIDE + step) % BITS)


def process_seed(seed: int, rank: int) -> int:
    """Of what a process of rank 1 and above draws in its forward passes; the first goes on after construction."""
    return (seed * STRIDE + rank + 3 * 2**30) % BITS
