"""Where a job trains that leaves its device to the service: on CUDA where a live worker offers it and it pays.

A CUDA process takes seconds to start and microseconds for each kernel it is sent; a small model has nothing to set
against that. So it pays from an epoch on that keeps a CPU core busy for seconds (forward and twice as much backward,
over the epoch's samples), or from so many parameters on that their updates alone do.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from app.jobs.repository import Row
from app.jobs.spec import JobSpec, Plan
from app.jobs.spec.base import Complaint

EPOCH_FLOPS = 1e11
PARAMETERS = 10_000_000


def offers_cuda(workers: Sequence[Row], labels: Sequence[str]) -> bool:
    """Whether a live worker takes CUDA jobs with these labels."""
    return any(w["queue"] == "cuda" and w["state"] == "active" and set(labels) <= set(w["labels"]) for w in workers)


def pays_on_cuda(work: Plan, model: Mapping[str, Any]) -> bool:
    """By the dry run's numbers."""
    samples = work.counts.train if work.counted else 0
    flops = 3 * (model.get("flops_per_sample") or 0) * samples
    return flops >= EPOCH_FLOPS or (model.get("parameters") or 0) >= PARAMETERS


def gpu_complaints(spec: JobSpec, workers: Sequence[Row]) -> list[Complaint]:
    """A job trains on one GPU: more than that no worker offers to one job."""
    wanted, offered = spec.resources.gpus, int(offers_cuda(workers, spec.resources.labels))
    if wanted == 1:
        return []
    detail = f"asks for {wanted} GPUs in one job; live workers offer {offered}, and none trains over several"
    return [Complaint(("resources", "gpus"), detail)]
