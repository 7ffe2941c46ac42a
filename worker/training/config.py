"""The engine's config: a resolved spec in normal form, as plain data.

Patterns are explicit parameter names here and formulas are trees, so that the engine parses neither.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self, TypeVar

from .errors import ConfigError

T = TypeVar("T")
Component = dict[str, Any]  # {"type": ..., arguments}


@dataclass(frozen=True)
class Phase:
    epochs: int
    optimizer: Component | None = None  # None: go on with the last one
    scheduler: Component | None = None
    freeze: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Training:
    batch_size: int = 32
    shuffle: bool = True
    drop_last: bool = False
    accumulate_steps: int = 1
    clip: Component | None = None
    l1: float = 0.0
    precision: str = "float32"
    ema_decay: float | None = None
    early_stopping: Component | None = None
    log_every_steps: int | None = None
    validate_every_steps: int | None = None
    telemetry: list[str] = field(default_factory=list)
    on_divergence: str | Component = "fail"
    max_seconds: float | None = None


@dataclass(frozen=True)
class Checkpointing:
    every_epochs: int | None = None
    every_steps: int | None = None
    every_seconds: float | None = None
    keep_last: int = 2
    keep_best: Component | None = None

    @property
    def seconds(self) -> float | None:
        """The interval on the clock: 15 s where nothing was asked for."""
        if self.every_epochs is None and self.every_steps is None and self.every_seconds is None:
            return 15.0
        return self.every_seconds


@dataclass(frozen=True)
class Run:
    job: str = "job"
    attempt: int = 1
    directory: str = "."
    resume: dict[str, str] | None = None
    fork: dict[str, str] | None = None  # another job's checkpoint to start from, while there is none of this job's
    same_environment: bool = False  # refuse to go on in another one
    spec_sha256: str = ""
    memory_bytes: int | None = None  # what the process may have of the host's


@dataclass(frozen=True)
class Config:
    model: Component
    phases: list[Phase]
    seed: int = 0
    device: str = "cpu"
    gpus: int = 1  # processes that train it together, each on a device of its own
    cpu_threads: int = 1
    reproducibility: str = "exact"
    data: dict[str, Any] | None = None
    loss: Component | None = None
    training: Training = field(default_factory=Training)
    augment: list[Component] = field(default_factory=list)
    metrics: list[Component] = field(default_factory=list)
    checkpoint: Checkpointing = field(default_factory=Checkpointing)
    run: Run = field(default_factory=Run)

    @property
    def epochs(self) -> int:
        return sum(phase.epochs for phase in self.phases)

    def phase_of(self, epoch: int) -> int:
        """Index of the phase to which an epoch (from 1) belongs; past the end, the last one."""
        last = 0
        for index, phase in enumerate(self.phases):
            last += phase.epochs
            if epoch <= last:
                return index
        return len(self.phases) - 1

    def pointer(self, phase: int, key: str) -> str:
        """JSON pointer to a phase's optimizer or scheduler in the spec the config was made from."""
        return f"/{key}" if len(self.phases) == 1 else f"/phases/{phase}/{key}"

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        """Read the config document. Raises ConfigError for a format or a key it does not know."""
        if document.get("format", 1) != 1:
            raise ConfigError("/format", f"format {document['format']} is not known")
        values = {key: value for key, value in document.items() if key != "format"}
        values["phases"] = [
            _read(Phase, phase, f"/phases/{index}") for index, phase in enumerate(values.get("phases", []))
        ]
        for key, section in (("training", Training), ("checkpoint", Checkpointing), ("run", Run)):
            values[key] = _read(section, values.get(key) or {}, f"/{key}")
        values["metrics"] = [{"type": m} if isinstance(m, str) else m for m in values.get("metrics") or []]
        return _read(cls, values, "")


def _read(kind: type[T], values: Mapping[str, Any], pointer: str) -> T:
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise ConfigError(f"{pointer}/{key}", "unknown key")
    # An explicit null means the default, except where null is a value of its own and the default as well.
    return kind(**{key: value for key, value in values.items() if value is not None})
