"""The parts of a data set as tensors on the training device."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from torch import Tensor

from worker.training.errors import ConfigError

from .synthetic import synthesize

COPIED_BYTES = 2**30  # a larger part stays mapped: its pages need not fit into memory
COPIED_SHARE = 8  # nor is more copied than such a share of what memory there is


class Batch(NamedTuple):
    """`size` samples: inputs [B, ...], targets [B, ...]; where there are any lengths [B] (on the CPU), weights [B]."""

    inputs: Tensor
    targets: Tensor
    lengths: Tensor | None
    weights: Tensor | None
    size: int
    other_targets: Tensor | None = None  # of the samples that were mixed in
    share: float = 1.0  # of the batch's own targets in the loss
    part: float = 1.0  # of a whole batch that this is a piece of, of `size` samples


@dataclass(frozen=True)
class Part:
    """One of train, validation, test. `lengths` stay on the CPU: packing reads them there."""

    inputs: Tensor
    targets: Tensor
    lengths: Tensor | None = None
    weights: Tensor | None = None

    def __len__(self) -> int:
        return len(self.inputs)

    def select(self, index: Tensor | slice, size: int) -> Batch:
        """The samples at an index (a CPU tensor of positions, or a slice)."""
        on_device = index.to(self.inputs.device) if isinstance(index, Tensor) else index
        return Batch(
            self.inputs[on_device],
            self.targets[on_device],
            None if self.lengths is None else self.lengths[index],
            None if self.weights is None else self.weights[on_device],
            size,
        )

    def in_order(self, batch_size: int) -> list[slice]:
        """Slices of `batch_size` in split order; the last may be shorter."""
        return [slice(start, min(start + batch_size, len(self))) for start in range(0, len(self), batch_size)]


@dataclass(frozen=True)
class Dataset:
    train: Part
    validation: Part | None
    test: Part | None


def load(data: dict[str, Any], device: torch.device, memory_bytes: int | None = None) -> Dataset:
    """Read the tensor file or make the synthetic set, on the device. Raises ConfigError without a training part."""
    tensors = synthesize(data["synthetic"]) if "synthetic" in data else _read(Path(data["file"]))
    copied = COPIED_BYTES if memory_bytes is None else min(COPIED_BYTES, memory_bytes // COPIED_SHARE)
    parts = {name: _part(tensors, name, device, copied) for name in ("train", "validation", "test")}
    if parts["train"] is None:
        raise ConfigError("/data/split/train", "the training part is empty")
    return Dataset(parts["train"], parts["validation"], parts["test"])


def _read(path: Path) -> dict[str, Tensor]:
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)


def _part(tensors: dict[str, Tensor], name: str, device: torch.device, copied: int) -> Part | None:
    inputs = tensors.get(f"{name}.inputs")
    if inputs is None or len(inputs) == 0:
        return None
    if inputs.nbytes <= copied:
        inputs = inputs.clone()  # out of the mapped file, into aligned memory
    lengths, weights = tensors.get(f"{name}.lengths"), tensors.get(f"{name}.weights")
    return Part(
        inputs.to(device),
        tensors[f"{name}.targets"].to(device),
        lengths,
        None if weights is None else weights.to(device),
    )
