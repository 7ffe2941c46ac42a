"""A spec that was found good, as the columns of the job that it becomes."""

from dataclasses import dataclass
from typing import Any

from app.jobs.placement import queue_of
from app.jobs.spec import JobSpec, spec_sha256
from app.weights.references import Found

STEP_SECONDS = 0.001
FLOPS_PER_SECOND = 1e10
"""A rough guess at what a training takes: it only decides which of two jobs goes first."""


@dataclass(frozen=True)
class Submission:
    """A spec that was found good."""

    spec: JobSpec
    document: dict[str, Any]
    """As it was sent."""
    resolved: dict[str, Any]
    steps: int | None
    """None: they are counted when the data is prepared."""
    epochs: int
    datasets: dict[str, Any]
    """The uploads it names, as a dry run is told of them."""
    weights: Found | None = None
    """What its model starts from."""
    flops: float = 0.0
    """Of the whole training, where there was a dry run."""
    parameters: int | None = None
    """Of its model, once somebody has counted them."""

    @property
    def step_rows(self) -> int:
        """How many rows its step series will have, where the steps are known."""
        every = self.spec.training.log_every_steps
        return 0 if every is None else (self.steps or 0) // every

    def values(self) -> dict[str, Any]:
        """The columns of the job that come from the spec."""
        resources = self.resolved["resources"]
        return {
            "name": self.spec.name,
            "metadata": dict(self.spec.metadata),
            "spec": self.document,
            "resolved_spec": self.resolved,
            "spec_sha256": spec_sha256(self.resolved),
            "seed": self.spec.seed,
            "priority": resources["priority"],
            "labels": resources["labels"],
            "queue": queue_of(resources),
            "epochs": self.epochs,
            "work_seconds": (self.steps or 0) * STEP_SECONDS + self.flops / FLOPS_PER_SECOND,
            "progress": {"epoch": 0, "step": 0, "steps": self.steps, "phase": 0},
        }
