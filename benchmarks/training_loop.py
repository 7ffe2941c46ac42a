"""The engine against the tutorial's loop (DataLoader, one sample at a time, `.item()`), in one process, at one thread.

    python benchmarks/training_loop.py [pairs]

Prints seconds and the ratio tutorial / engine (above 1: the engine is faster): medians of pairs run in turn, fit alone.
"""

import statistics
import sys
import tempfile
import time
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from worker.training import Requests, models, run
from worker.training.data.synthetic import synthesize

JOBS: dict[str, dict[str, Any]] = {
    "iris-like MLP 4-16-16-3, batches of 24": {
        "data": {"task": "classification", "samples": 120, "shape": [4], "classes": 3},
        "model": {"type": "MLP", "hidden": [16, 16], "in_features": 4, "out_features": 3},
        "epochs": 40,
        "batch_size": 24,
    },
    "CNN on 1x28x28, batches of 64": {
        "data": {"task": "classification", "samples": 2000, "shape": [1, 28, 28], "classes": 10},
        "model": {
            "type": "CNN",
            "channels": [10, 20],
            "kernel_size": 5,
            "hidden": [50],
            "in_channels": 1,
            "in_features": 980,
            "out_features": 10,
        },
        "epochs": 1,
        "batch_size": 64,
    },
}


class Samples(Dataset[Any]):
    """One sample at a time, as tutorials have it."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        self._inputs, self._targets = tensors["train.inputs"], tensors["train.targets"]

    def __len__(self) -> int:
        return len(self._inputs)

    def __getitem__(self, index: int) -> Any:
        return self._inputs[index], self._targets[index]


def tutorial(job: dict[str, Any]) -> float:
    """Seconds of the plain loop."""
    torch.manual_seed(0)
    model = models.build(job["model"])
    optimizer, loss_function = torch.optim.Adam(model.parameters()), nn.CrossEntropyLoss()
    loader = DataLoader(Samples(synthesize(job["data"])), batch_size=job["batch_size"], shuffle=True)
    begun = time.perf_counter()
    for _ in range(job["epochs"]):
        total, correct = 0.0, 0
        for inputs, targets in loader:
            optimizer.zero_grad()
            outputs = model(inputs)
            loss = loss_function(outputs, targets)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(inputs)
            correct += (outputs.argmax(1) == targets).sum().item()
    return time.perf_counter() - begun


def engine(job: dict[str, Any]) -> float:
    """Seconds of the same epochs in the engine, accuracy and rows included."""
    reports: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as directory:
        config = {
            "seed": 0,
            "data": {"synthetic": job["data"]},
            "model": job["model"],
            "loss": {"type": "CrossEntropyLoss"},
            "phases": [{"epochs": job["epochs"], "optimizer": {"type": "Adam", "fused": True}}],
            "training": {"batch_size": job["batch_size"]},
            "metrics": [{"type": "accuracy"}],
            "run": {"directory": directory},
        }
        run(config, reports.append, Requests())
    return sum(float(report["duration_seconds"]) for report in reports if report["type"] == "epoch")


def main() -> None:
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    torch.set_num_threads(1)
    for name, job in JOBS.items():
        tutorial(job), engine(job)  # warm up
        seconds = [(tutorial(job), engine(job)) for _ in range(pairs)]
        ratio = statistics.median(plain / own for plain, own in seconds)
        plain, own = (statistics.median(column) for column in zip(*seconds, strict=True))
        print(f"{name}: tutorial {plain:.3f} s, engine {own:.3f} s, ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
