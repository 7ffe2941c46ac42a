"""What a forked job starts with: the engine's own graft, written into a file and a few lines."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from worker.data import write_atomically
from worker.training import checkpoint
from worker.training.config import Config
from worker.training.fork import graft
from worker.training.learner import Learner

from .code import block, literal
from .data import LOADING

FILE = "start.safetensors"
DEFINITIONS = (
    *LOADING,
    '''def starting(kind):
    """Tensors by name, of what a name in the file begins with."""
    prefix = f"{kind}/"
    return {name.removeprefix(prefix): tensor for name, tensor in start.items() if name.startswith(prefix)}''',
)


@dataclass
class Start:
    """`file` holds every tensor, as model/NAME, average/NAME, optimizer/PARAMETER/KEY; the rest is data."""

    file: str
    averaged: int | None = None
    plain: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By parameter what of its optimizer's state is no plain tensor; one inside of it is {"tensor": its name}."""
    groups: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Settings of the optimizer's groups that are not those of the spec."""
    scheduler: Any = None
    scaler: Any = None
    device: str = "cpu"
    steps_on_device: bool = False
    """Whether the optimizer's own count of steps lies there too, as fused and captured kernels want it."""


def start_of(config: Config, steps_per_epoch: int, origin: Path, sha256: str, store: Path) -> Start:
    """Builds what the trainer builds, grafts the checkpoint onto it, and looks at what has come of it.

    Raises CheckpointCorrupt where the file is gone or damaged.
    """
    state = torch.get_rng_state()
    learner = Learner(config, torch.device("cpu"), steps_per_epoch)
    built = [settings_of(group) for group in learner.optimizer.param_groups]
    report = graft(learner, *checkpoint.read(Path("/"), str(origin), sha256))
    torch.set_rng_state(state)
    tensors = {f"model/{name}": tensor for name, tensor in learner.model.state_dict().items()}
    found = Start("", device=config.device)
    found.steps_on_device = any(g.get("fused") or g.get("capturable") for g in learner.optimizer.param_groups)
    if learner.averaged is not None and "ema" in report["restored"]:
        tensors |= {f"average/{name}": tensor for name, tensor in learner.averaged.module.state_dict().items()}
        found.averaged = int(learner.averaged.n_averaged)
    for name, parameter in learner.parameters.items():
        if parameter in learner.optimizer.state:
            found.plain[name] = {
                key: kept
                for key, value in learner.optimizer.state[parameter].items()
                if (kept := told(value, f"optimizer/{name}/{key}", tensors)) != {"tensor": f"optimizer/{name}/{key}"}
            }
    for index, (group, before) in enumerate(zip(learner.optimizer.param_groups, built, strict=True)):
        changed = {key: value for key, value in settings_of(group).items() if before.get(key) != value}
        found.groups |= {index: changed} if changed else {}
    if learner.scheduler is not None and "scheduler" in report["restored"]:
        found.scheduler = learner.scheduler.state_dict()
    if learner.scaler is not None and "scaler" in report["restored"]:
        found.scaler = learner.scaler.state_dict()
    found.file = str(written(tensors, store))
    return found


def settings_of(group: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "params"}


def told(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """The value, its tensors put aside under this name, or under others where it has several."""
    if isinstance(value, Tensor) and value.is_sparse:
        parts = {"indices": value._indices(), "values": value._values()}
        names = [told(tensor, f"parts/{name}/{part}", tensors) for part, tensor in parts.items()]
        return {"sparse": [*names, list(value.shape), value.is_coalesced()]}
    if isinstance(value, Tensor):
        tensors[name] = value.detach()
        return {"tensor": name}
    if isinstance(value, list):
        return [told(item, f"parts/{name.removeprefix('parts/')}/{index}", tensors) for index, item in enumerate(value)]
    return value


def written(tensors: dict[str, Tensor], store: Path) -> Path:
    """Under a name that says what is in it: a second export finds it there."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)} ".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    path = store / "prepared" / f"start-{digest.hexdigest()}.safetensors"
    if not path.exists():
        contiguous = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
        write_atomically(path, contiguous, {"descent": json.dumps({})})
    return path


def lines(start: Start) -> Iterator[str]:
    """Weights, the optimizer's state and the schedule, as the checkpoint has them."""
    yield ""
    yield "# From the checkpoint that the job was forked from"
    yield f'start = load("{FILE}")'
    yield 'model.load_state_dict(starting("model"))'
    if start.averaged is not None:
        yield 'averaged.module.load_state_dict(starting("average"))'
        yield f"averaged.n_averaged.fill_({start.averaged})"
    if start.plain:
        state = "own"
        if start.device != "cpu":
            moved = f"tensor.to({literal(start.device)})"
            moved = moved if start.steps_on_device else f'tensor if key == "step" else {moved}'
            state = f"{{key: {moved} for key, tensor in own.items()}}"
        own = block('if own := starting(f"optimizer/{name}"):', [f"optimizer.state[parameter] = {state}"])
        yield block("for name, parameter in model.named_parameters():", [own])
    for name, values in start.plain.items():
        if values:
            yield f"optimizer.state[dict(model.named_parameters())[{literal(name)}]] |= {source(values)}"
    for index, settings in start.groups.items():
        yield f"optimizer.param_groups[{index}] |= {source(settings)}"
    if start.scheduler is not None:
        yield f"scheduler.load_state_dict({source(start.scheduler)})"
    if start.scaler is not None:
        yield f"scaler.load_state_dict({source(start.scaler)})"


def source(value: Any) -> str:
    """As `literal`, with tensors by their names in the file, and with Counters."""
    if isinstance(value, dict) and list(value) == ["tensor"]:
        return f"start[{literal(value['tensor'])}]"
    if isinstance(value, dict) and list(value) == ["sparse"]:
        *parts, coalesced = map(source, value["sparse"])
        return f"torch.sparse_coo_tensor({', '.join(parts)}, is_coalesced={coalesced}, check_invariants=False)"
    if isinstance(value, Counter):
        return f"Counter({source(dict(value))})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{source(key)}: {source(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        inner = ", ".join(map(source, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' if len(value) == 1 else ''})"
    return literal(value)
