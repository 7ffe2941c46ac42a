"""Runs of the engine in this process."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from worker.training import Requests, run

Report = dict[str, Any]


class Result:
    """What a run has reported."""

    def __init__(self, reports: list[Report], directory: Path) -> None:
        self.reports, self.directory = reports, directory

    def of(self, kind: str) -> list[Report]:
        return [report for report in self.reports if report["type"] == kind]

    @property
    def end(self) -> Report:
        return self.reports[-1]

    @property
    def rows(self) -> list[Report]:
        """Epoch rows, the newest of each epoch, without what the clock decides."""
        clock = {"duration_seconds", "samples_per_second", "finished_at"}
        newest = {row["epoch"]: row for row in self.of("epoch")}
        return [{key: value for key, value in row.items() if key not in clock} for row in newest.values()]

    def weights(self) -> dict[str, torch.Tensor]:
        """The final checkpoint's weights."""
        path = self.of("checkpoint")[-1]["path"]
        return {name: t for name, t in load_file(self.directory / path).items() if name.startswith(("model.", "ema."))}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def data_file(tmp_path: Path) -> str:
    """90 training, 20 validation and 10 test samples of 3 classes in 4 features, float32."""
    generator = torch.Generator().manual_seed(5)
    targets = torch.randint(3, (120,), generator=generator)
    inputs = torch.randn(3, 4, generator=generator)[targets] + torch.randn(120, 4, generator=generator)
    tensors, start = {}, 0
    for part, stop in (("train", 90), ("validation", 110), ("test", 120)):
        tensors[f"{part}.inputs"], tensors[f"{part}.targets"] = inputs[start:stop].clone(), targets[start:stop].clone()
        start = stop
    path = tmp_path / "data.safetensors"
    save_file(tensors, path)
    return str(path)


@pytest.fixture
def config(data_file: str, tmp_path: Path) -> Report:
    """A small classifier with dropout and batch norm in two parameter groups, four epochs of six updates."""
    return {
        "format": 1,
        "seed": 3,
        "data": {"file": data_file},
        "model": {
            "type": "Sequential",
            "layers": [
                {"type": "Linear", "in_features": 4, "out_features": 8},
                {"type": "BatchNorm1d", "num_features": 8},
                {"type": "ReLU"},
                {"type": "Dropout", "p": 0.2},
                {"type": "Linear", "in_features": 8, "out_features": 3},
            ],
        },
        "loss": {"type": "CrossEntropyLoss"},
        "phases": [{"epochs": 4, "optimizer": {"type": "SGD", "lr": 0.1}, "scheduler": None, "freeze": []}],
        "training": {"batch_size": 16},
        "metrics": [{"type": "accuracy"}],
        "checkpoint": {},
        "run": {"job": "job_test", "attempt": 1, "directory": str(tmp_path / "job"), "resume": None},
    }


Train = Callable[..., Result]


@pytest.fixture
def train() -> Train:
    """train(config, stop_at_step=None, request="pause", **run): runs it; a request comes after that many updates."""

    def train(config: Report, stop_at_step: int | None = None, request: str = "pause", **run_keys: Any) -> Result:
        config = copy.deepcopy(config)
        config["run"] |= run_keys
        reports: list[Report] = []
        run(config, reports.append, RequestAtStep(stop_at_step, request))
        return Result(reports, Path(config["run"]["directory"]))

    return train


class RequestAtStep(Requests):
    """A request that comes after a number of updates: the engine looks once after each."""

    def __init__(self, step: int | None, request: str) -> None:
        self._left, self._request = step, request

    @property  # type: ignore[override]
    def wanted(self) -> Any:
        if self._left is not None:
            self._left -= 1
            if self._left <= 0:
                return self._request
        return None


@pytest.fixture
def interrupted(train: Train) -> Callable[[Report, int], Result]:
    """A run paused at about `step` and resumed in a new attempt: rows and checkpoints of both, the second's reports."""

    def interrupted(config: Report, step: int) -> Result:
        first = train(config, stop_at_step=step)
        assert first.end["outcome"] == "stopped", first.end
        saved = first.of("checkpoint")[-1]
        second = train(config, attempt=2, resume={"path": saved["path"], "sha256": saved["sha256"]})
        assert second.end["outcome"] == "succeeded", second.end
        rows = {row["epoch"]: row for row in first.of("epoch") + second.of("epoch")}
        others = [report for report in second.reports if report["type"] != "epoch"]
        written = first.of("checkpoint")  # the last of them, where only the test part was left to do
        return Result([*rows.values(), *written, *others], second.directory)

    return interrupted
