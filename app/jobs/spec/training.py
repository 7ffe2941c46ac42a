"""How long and in what steps: training, checkpoint and resources."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from app.jobs.spec.base import (
    Boolean,
    Complaint,
    Component,
    Count,
    Index,
    NonNegative,
    Number,
    Positive,
    Section,
    Table,
)
from app.jobs.spec.monitors import EarlyStopping, KeepBest

MAX_EPOCHS = 1_000_000
MAX_CPU_PROCESSES = 8
Epochs = Annotated[Count, Field(le=MAX_EPOCHS)]
BatchSize = Annotated[Count, Field(le=10_000_000)]


class Clip(Component):
    """What happens to gradients before an update."""


class ClipNorm(Clip):
    type: Literal["norm"] = "norm"
    max_norm: Positive


class ClipValue(Clip):
    type: Literal["value"] = "value"
    clip_value: Positive


CLIPS = Table("clipping")
CLIPS.add(ClipNorm, ClipValue)


class Rollback(Component):
    """Back to the newest checkpoint with a smaller learning rate."""

    type: Literal["rollback"] = "rollback"
    lr_factor: Annotated[Number, Field(gt=0, lt=1)] = 0.5
    max_times: Annotated[Count, Field(le=100)] = 3


ROLLBACKS = Table("answer to divergence")
ROLLBACKS.add(Rollback)
OnDivergence = Annotated[
    Annotated[Literal["fail", "continue"], Tag("word")] | Annotated[Annotated[Component, ROLLBACKS], Tag("object")],
    Discriminator(lambda value: "object" if isinstance(value, dict | Component) else "word"),
]


class Training(Section):
    epochs: Epochs | None = None
    batch_size: BatchSize | None = None
    shuffle: Boolean = True
    drop_last: Boolean = False
    accumulate_steps: BatchSize = 1
    clip: Annotated[Clip, CLIPS] | None = None
    l1: NonNegative = 0.0
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    ema_decay: Annotated[Number, Field(gt=0, lt=1)] | None = None
    early_stopping: EarlyStopping | None = None
    log_every_steps: Count | None = None
    validate_every_steps: Count | None = None
    telemetry: Annotated[list[Literal["groups"]], Field(max_length=1)] = []
    on_divergence: OnDivergence = "fail"
    reproducibility: Literal["exact", "fast"] = "exact"
    max_seconds: Positive | None = None


class Checkpoint(Section):
    every_epochs: Count | None = None
    every_steps: Count | None = None
    every_seconds: Positive | None = None
    keep_last: Annotated[Count, Field(le=1000)] = 2
    keep_best: KeepBest | None = None


class Resources(Section):
    device: Literal["auto", "cpu", "cuda"] = "auto"
    gpus: Annotated[Count, Field(le=1024)] = 1
    cpu_threads: Annotated[Count, Field(le=256)] = 1
    priority: Annotated[Index, Field(le=9)] = 0
    labels: Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=32)] = []
    resume_on: Literal["any", "same_environment"] = "any"

    def rules(self) -> Iterator[Complaint]:
        if len(set(self.labels)) != len(self.labels):
            yield Complaint(("labels",), "names a label twice")
        if self.device == "cpu" and self.gpus > MAX_CPU_PROCESSES:
            yield Complaint(("gpus",), f"is the number of processes on the CPU, at most {MAX_CPU_PROCESSES}")
