"""The whole state of a training as one snapshot, and back."""

import random
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from .checkpoint import Snapshot
from .optimizers.report import describe
from .packing import pack, unpack
from .record import Progress

if TYPE_CHECKING:
    from .trainer import Trainer

FORMAT = 1


def snapshot(trainer: "Trainer") -> Snapshot:
    """A true copy of this moment, at a step boundary. Raises Diverged rather than save what has gone astray."""
    trainer.fold()
    trainer.progress.seconds += trainer.record.tick()
    tensors = trainer.learner.tensors()
    drawn, *others = trainer.world.told(random_state(trainer.device))
    content = {
        "format": FORMAT,
        "spec_sha256": trainer.config.run.spec_sha256,
        "environment": trainer.environment,
        "progress": asdict(trainer.progress),
        "learner": trainer.learner.state(),
        "scheduler": trainer.config.phases[trainer.progress.phase].scheduler,
        "random": drawn,
        "random_of_others": others,  # by rank, from 1
        "record": trainer.record.state(),
        "augmentation": None if trainer.generator is None else trainer.generator.get_state(),
        "tracking": trainer.tracking.state(),
        "hooks": {name: hook.state() for name, hook in trainer.hooks.items()},
        "anchor": trainer.anchor_state(),
    }
    packed = pack(content, tensors)
    optimizer, names = trainer.learner.optimizer, trainer.learner.optimized_names()
    kind, defaults = type(optimizer).__name__, dict(optimizer.defaults)

    def optimizer_as_data() -> dict[str, Any]:  # by the writer, from the copies
        return describe(kind, defaults, unpack(packed["learner"]["optimizer"], tensors), names)

    metadata = {"descent": lambda: packed, "optimizer": optimizer_as_data}
    return Snapshot(tensors, metadata, trainer.progress.epochs_done, trainer.progress.step)


def restore(trainer: "Trainer", tensors: dict[str, Tensor], metadata: dict[str, Any]) -> dict[str, Any]:
    """Take up a snapshot. Returns its content."""
    content: dict[str, Any] = unpack(metadata["descent"], tensors)
    trainer.learner.load(tensors, content["learner"])
    trainer.progress = Progress(**content["progress"])
    trainer.record.load(content["record"], trainer.device)
    trainer.tracking.load(content["tracking"])
    if content["augmentation"] is not None:
        trainer.generator = torch.Generator(trainer.device)
        trainer.generator.set_state(content["augmentation"])
    for name, hook in trainer.hooks.items():
        if name in content["hooks"]:
            hook.load(content["hooks"][name])
    rank = trainer.world.rank
    load_random_state(content["random_of_others"][rank - 1] if rank else content["random"], trainer.device)
    return content


def torch_random_state(device: torch.device) -> dict[str, Any]:
    """torch's default generators, from which the layers draw."""
    found = {"torch": torch.get_rng_state()}
    if device.type == "cuda":
        found["cuda"] = torch.cuda.get_rng_state(device)
    return found


def load_torch_random_state(state: dict[str, Any], device: torch.device) -> None:
    torch.set_rng_state(state["torch"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def random_state(device: torch.device) -> dict[str, Any]:
    """Every generator that a forward pass could draw from."""
    version, words, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return torch_random_state(device) | {
        "python": [version, torch.tensor(words), gauss],
        "numpy": [
            str(kind),
            torch.from_numpy(np.asarray(keys, dtype=np.int64)),
            int(position),
            int(has_gauss),
            float(cached),
        ],
    }


def load_random_state(state: dict[str, Any], device: torch.device) -> None:
    load_torch_random_state(state, device)
    version, words, gauss = state["python"]
    random.setstate((version, tuple(words.tolist()), gauss))
    kind, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, cached))
