"""Augmentation of training batches on their device, from the epoch's own generator: dropout draws as it would without.

Every batch draws for its own number of samples, in the order of the list. MixUp and CutMix give second targets.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from worker.training.config import Component
from worker.training.errors import ConfigError


class Mixed(NamedTuple):
    """Augmented inputs; where samples were mixed, the other's targets and the share of the first."""

    inputs: Tensor
    other_targets: Tensor | None = None
    share: float = 1.0


def random_crop(x: Tensor, g: torch.Generator, size: Any, padding: int = 0) -> Tensor:
    """A window of `size` at a uniform place of the zero-padded images [B, C, H, W]."""
    height, width = (size, size) if isinstance(size, int) else size
    padded = functional.pad(x, [padding] * 4)
    rows, columns = padded.shape[2] - height + 1, padded.shape[3] - width + 1
    top = torch.randint(rows, (len(x),), generator=g, device=x.device)
    left = torch.randint(columns, (len(x),), generator=g, device=x.device)
    ys = top[:, None] + torch.arange(height, device=x.device)
    xs = left[:, None] + torch.arange(width, device=x.device)
    sample = torch.arange(len(x), device=x.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[sample, ys[:, :, None], xs[:, None, :]].permute(0, 3, 1, 2).contiguous()


def random_horizontal_flip(x: Tensor, g: torch.Generator, p: float = 0.5) -> Tensor:
    """Each image mirrored with probability p."""
    flipped = torch.rand(len(x), generator=g, device=x.device) < p
    return torch.where(flipped[:, None, None, None], x.flip(3), x)


def random_rotation(x: Tensor, g: torch.Generator, degrees: float) -> Tensor:
    """Each image turned by a uniform angle in [-degrees, degrees] around its centre; bilinear, zeros outside."""
    angle = (torch.rand(len(x), generator=g, device=x.device) * 2 - 1) * math.radians(degrees)
    height, width = x.shape[2:]
    ys = torch.arange(height, device=x.device, dtype=x.dtype) - (height - 1) / 2
    xs = torch.arange(width, device=x.device, dtype=x.dtype) - (width - 1) / 2
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    from_x = cos * xs[None, None, :] - sin * ys[None, :, None] + (width - 1) / 2
    from_y = sin * xs[None, None, :] + cos * ys[None, :, None] + (height - 1) / 2
    return _bilinear(x, from_x, from_y)


def _bilinear(x: Tensor, column: Tensor, row: Tensor) -> Tensor:
    """Images [B, C, H, W] read at places [B, H, W]. By index: grid_sample has no deterministic form on CUDA."""
    height, width = x.shape[2:]
    left, top = column.floor(), row.floor()
    result = torch.zeros_like(x)
    sample = torch.arange(len(x), device=x.device)[:, None, None]
    last = x.permute(0, 2, 3, 1)
    for dy in (0, 1):
        for dx in (0, 1):
            c, r = left + dx, top + dy
            weight = (1 - (column - c).abs()) * (1 - (row - r).abs())
            inside = (c >= 0) & (c < width) & (r >= 0) & (r < height)
            read = last[sample, r.clamp(0, height - 1).long(), c.clamp(0, width - 1).long()]
            result = result + (read * (weight * inside)[..., None]).permute(0, 3, 1, 2)
    return result


def gaussian_noise(x: Tensor, g: torch.Generator, std: float) -> Tensor:
    """Normal noise of standard deviation `std`."""
    return x + std * torch.randn(x.shape, generator=g, device=x.device, dtype=x.dtype)


def mix_up(x: Tensor, y: Tensor, g: torch.Generator, alpha: float = 0.2) -> Mixed:
    """share * x + (1 - share) * x permuted, share ~ Beta(alpha, alpha) for the batch (Zhang et al., mixup, 2018)."""
    share, order = _beta(alpha, g), torch.randperm(len(x), generator=g, device=x.device)
    return Mixed(share * x + (1 - share) * x[order], y[order], share)


def cut_mix(x: Tensor, y: Tensor, g: torch.Generator, alpha: float = 1.0) -> Mixed:
    """A box of the permuted batch pasted in; the share is that of the area left (Yun et al., CutMix, 2019)."""
    share, order = _beta(alpha, g), torch.randperm(len(x), generator=g, device=x.device)
    height, width = x.shape[2:]
    middle = torch.rand(2, generator=g, device=x.device).tolist()
    half = math.sqrt(1 - share) / 2
    top, bottom = (min(max(int(height * (middle[0] + side * half)), 0), height) for side in (-1, 1))
    left, right = (min(max(int(width * (middle[1] + side * half)), 0), width) for side in (-1, 1))
    mixed = x.clone()
    mixed[:, :, top:bottom, left:right] = x[order, :, top:bottom, left:right]
    return Mixed(mixed, y[order], 1 - (bottom - top) * (right - left) / (height * width))


def _beta(alpha: float, g: torch.Generator) -> float:
    """A draw of Beta(alpha, alpha) as G1 / (G1 + G2) of two gamma draws."""
    a, b = torch._standard_gamma(
        torch.full((2,), float(alpha), dtype=torch.float64, device=g.device), generator=g
    ).tolist()
    return a / (a + b) if a + b > 0 else 0.5


IMAGE_ONLY = {"RandomCrop", "RandomHorizontalFlip", "RandomRotation", "CutMix"}
CHANGES: dict[str, Callable[..., Tensor]] = {
    "RandomCrop": random_crop,
    "RandomHorizontalFlip": random_horizontal_flip,
    "RandomRotation": random_rotation,
    "GaussianNoise": gaussian_noise,
}
MIXES: dict[str, Callable[..., Mixed]] = {"MixUp": mix_up, "CutMix": cut_mix}


class Augmentation:
    """The list of a config, ready to be applied."""

    def __init__(self, configs: list[Component], shape: list[int], weighted: bool) -> None:
        for index, config in enumerate(configs):
            kind, pointer = config["type"], f"/data/augment/{index}"
            if kind not in CHANGES and kind not in MIXES:
                raise ConfigError(f"{pointer}/type", f"unknown augmentation {kind}")
            if kind in IMAGE_ONLY and len(shape) != 3:
                raise ConfigError(pointer, f"{kind} needs images [C, H, W], the data has {shape}")
            if kind in MIXES and index != len(configs) - 1:
                raise ConfigError(pointer, f"{kind} comes last, and once")
            if kind in MIXES and weighted:
                raise ConfigError(pointer, f"{kind} does not go with sample weights")
            if kind == "RandomCrop":
                self._check_crop(config, shape, pointer)
        self._steps = [
            (config["type"], {key: value for key, value in config.items() if key != "type" and value is not None})
            for config in configs
        ]

    def _check_crop(self, config: Component, shape: list[int], pointer: str) -> None:
        size, padding = config["size"], config.get("padding") or 0
        wanted = [size, size] if isinstance(size, int) else list(size)
        if wanted != shape[1:] or padding < 0:
            raise ConfigError(f"{pointer}/size", f"is {wanted}, but validation has images of {shape[1:]}")

    def __call__(self, inputs: Tensor, targets: Tensor, generator: torch.Generator) -> Mixed:
        x = inputs if inputs.dtype.is_floating_point else inputs.float()
        for kind, arguments in self._steps:
            if kind in MIXES:
                return MIXES[kind](x, targets, generator, **arguments)
            x = CHANGES[kind](x, generator, **arguments)
        return Mixed(x)
