"""What a second process brings: `python benchmarks/data_parallel.py [--rounds 5] [--processes 2]`.

One and several processes of one thread each train the same job in turn, as the engine does by itself; printed are the
medians of their samples a second over the rounds, the ratio of each pair, and what an update's adding up of gradients
and agreeing takes: a model with next to nothing to compute, whose updates cost little else.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

CONVS = [
    layer
    for width, size in ((3, 32), (32, 64))
    for layer in (
        {"type": "Conv2d", "in_channels": width, "out_channels": size, "kernel_size": 3, "padding": 1},
        {"type": "ReLU"},
        {"type": "MaxPool2d", "kernel_size": 2},
    )
]
MODELS: dict[str, tuple[list[int], list[dict[str, Any]], int]] = {
    "a CNN, 3x32x32, batches of 256": (
        [3, 32, 32], [*CONVS, {"type": "Flatten"}, {"type": "Linear", "in_features": 4096, "out_features": 10}], 2048
    ),
    "a Linear, 4 inputs, batches of 256": ([4], [{"type": "Linear", "in_features": 4, "out_features": 10}], 25_600),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    for name, (shape, layers, samples) in MODELS.items():
        sizes = (1, asked.processes)
        pairs = [[rate(shape, layers, samples, processes) for processes in sizes] for _ in range(asked.rounds)]
        alone, together = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(mine / one for one, mine in pairs)
        print(f"{name}: {alone:,.0f} samples/s by one process, {together:,.0f} by {asked.processes}: {ratio:.2f} times")
        print(f"  an update: {256e3 / alone:.2f} ms by one, {256e3 / together:.2f} ms by {asked.processes}")


def rate(shape: list[int], layers: list[dict[str, Any]], samples: int, processes: int) -> float:
    """Samples a second of the best epoch: the first ones warm up."""
    with tempfile.TemporaryDirectory(prefix="descent-bench-") as folder:
        synthetic = {"task": "classification", "samples": samples, "shape": shape, "classes": 10, "seed": 0}
        config = {
            "gpus": processes,
            "data": {"synthetic": {**synthetic, "split": {"train": samples}}},
            "model": {"type": "Sequential", "layers": layers},
            "loss": {"type": "CrossEntropyLoss"},
            "phases": [{"epochs": 4, "optimizer": {"type": "SGD", "lr": 0.01}}],
            "training": {"batch_size": 256},
            "run": {"directory": folder},
        }
        path = Path(folder) / "config.json"
        path.write_text(json.dumps(config))
        command = [sys.executable, "-m", "worker.training", str(path)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        rows = [json.loads(line) for line in said.splitlines()]
        return max(row["samples_per_second"] for row in rows if row["type"] == "epoch")


if __name__ == "__main__":
    main()
