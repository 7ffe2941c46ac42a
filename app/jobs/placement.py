"""Where a job trains that leaves its device to the service: on CUDA where a live worker offers it and it pays.

A CUDA process takes seconds to start and microseconds for each kernel it is sent; a small model has nothing to set
against that. So it pays from an epoch on that keeps a CPU core busy for seconds (forward and twice as much backward,
over the epoch's samples), or from so many parameters on that their updates alone do.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from app.jobs.repository import Row
from app.jobs.spec import Plan

EPOCH_FLOPS = 1e11
PARAMETERS = 10_000_000


def queue_of(resources: Mapping[str, Any]) -> str:
    """cpu, cuda, or cuda-2 and so on: a job over several GPUs waits for a slot that has so many of one host."""
    several = resources["device"] == "cuda" and resources["gpus"] > 1
    return f"cuda-{resources['gpus']}" if several else str(resources["device"])


def offers_cuda(workers: Sequence[Row], labels: Sequence[str]) -> bool:
    """Whether a live worker takes CUDA jobs with these labels."""
    return any(w["queue"] == "cuda" and w["state"] == "active" and set(labels) <= set(w["labels"]) for w in workers)


def pays_on_cuda(work: Plan, model: Mapping[str, Any]) -> bool:
    """By the dry run's numbers."""
    samples = work.counts.train if work.counted else 0
    flops = 3 * (model.get("flops_per_sample") or 0) * samples
    return flops >= EPOCH_FLOPS or (model.get("parameters") or 0) >= PARAMETERS
