"""Training over several processes: the numbers of one, resumed to the bit, and lost as a whole."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from worker.training import gang
from worker.training.trainer import Trainer

from .conftest import Result, Train
from .test_features import CHANGES
from .test_resume import same

Config = dict[str, Any]
Interrupted = Callable[[Config, int], Result]
QUICK = {"accumulate", "cutmix", "float16", "metrics", "rollback", "steps"}
CASES = [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in CHANGES if n != "function"]


def elsewhere(config: Config, name: str) -> Config:
    return {**config, "run": {**config["run"], "directory": f"{config['run']['directory']}-{name}"}}


def without_chance(config: Config) -> None:
    """Neither dropout nor batch norm: what a process draws and sees of a batch is its own affair."""
    config["model"]["layers"] = [layer for layer in config["model"]["layers"] if "p" not in layer]
    config["model"]["layers"] = [layer for layer in config["model"]["layers"] if layer["type"] != "BatchNorm1d"]


@pytest.mark.parametrize("processes", [2, 3, 7])
def test_the_pieces_make_up_the_batch(config: Config, train: Train, processes: int) -> None:
    """Batches of 16, a last one of 10; 7 processes have pieces of one and two samples."""
    without_chance(config)
    config["metrics"] += [{"type": "auroc"}, {"type": "confusion_matrix"}]
    alone, together = train(config), train(elsewhere(config | {"gpus": processes}, "together"))
    assert len(together.rows) == 4, together.end
    for mine, theirs in zip(together.rows, alone.rows, strict=True):
        assert mine["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-5)
        assert mine["validation_loss"] == pytest.approx(theirs["validation_loss"], rel=1e-5)
        assert mine["gradient_norm"] == pytest.approx(theirs["gradient_norm"], rel=1e-4)
        assert mine["metrics"].keys() == theirs["metrics"].keys()
        for name, value in mine["metrics"].items():  # a confusion matrix to the count
            assert value == (
                theirs["metrics"][name] if isinstance(value, list) else pytest.approx(theirs["metrics"][name])
            )
        assert mine["samples"] == theirs["samples"]
    for name, weights in together.weights().items():
        assert torch.allclose(weights, alone.weights()[name], rtol=1e-4, atol=1e-6), name


def test_a_batch_with_fewer_samples_than_processes(config: Config, train: Train) -> None:
    """90 samples in batches of 8: the last has two, for three processes."""
    without_chance(config)
    config["training"]["batch_size"] = 8
    alone, together = train(config), train(elsewhere(config | {"gpus": 3}, "together"))
    for name, weights in together.weights().items():
        assert torch.allclose(weights, alone.weights()[name], rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("feature", CASES)
def test_resumes_to_the_bit(config: Config, train: Train, interrupted: Interrupted, feature: str) -> None:
    CHANGES[feature](config)
    config["gpus"] = 2
    whole = train(config)
    assert whole.end["outcome"] == "succeeded", whole.end
    resumed = interrupted(elsewhere(config, "again"), 3 if feature == "early stopping" else 10)
    assert resumed.rows == whole.rows
    same(resumed, whole)


def test_processes_draw_for_themselves(config: Config, train: Train) -> None:
    """Dropout of two equal pieces differs: else both pieces would have one gradient."""
    config["data"] = {"synthetic": {"task": "regression", "samples": 4, "shape": [4], "split": {"train": 4}}}
    config["model"] = {
        "type": "Sequential",
        "layers": [{"type": "Dropout", "p": 0.5}, {"type": "Linear", "in_features": 4, "out_features": 1}],
    }
    config |= {"loss": {"type": "MSELoss"}, "metrics": []}
    one, two = train(config), train(elsewhere(config | {"gpus": 2}, "two"))
    assert [row["train_loss"] for row in one.rows] != [row["train_loss"] for row in two.rows]


@pytest.mark.parametrize(("processes", "batch_size"), [(2, 1), (17, 16)])
def test_every_process_needs_a_sample(config: Config, train: Train, processes: int, batch_size: int) -> None:
    config |= {"gpus": processes, "training": {"batch_size": batch_size}}
    end = train(config).end
    assert (end["error"]["code"], end["error"]["detail"]["errors"][0]["pointer"]) == ("invalid_spec", "/resources/gpus")


def test_what_happens_to_one_of_them_is_told(config: Config, train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    train_epoch = Trainer.train_epoch

    def out_of_memory(self: Trainer) -> None:
        if self.world.rank == 1 and self.progress.epoch == 2:
            raise MemoryError("no memory on the second device")
        train_epoch(self)

    monkeypatch.setattr(Trainer, "train_epoch", out_of_memory)
    end = train(config | {"gpus": 2}).end
    assert (end["outcome"], end["error"]["code"]) == ("failed", "out_of_memory")
    assert end["error"]["message"] == "no memory on the second device"


def test_diverged_is_said_once(config: Config, train: Train) -> None:
    config["phases"][0]["optimizer"]["lr"] = 1e38
    result = train(config | {"gpus": 2})
    assert result.end["error"]["code"] == "diverged"
    assert len(result.of("end")) == 1


@pytest.mark.parametrize("victim", ["leader", "follower"])
def test_they_are_lost_together(config: Config, tmp_path: Path, victim: str) -> None:
    config["phases"][0]["epochs"] = 100_000
    (tmp_path / "config.json").write_text(json.dumps(config | {"gpus": 2}))
    command = [sys.executable, "-m", "worker.training", str(tmp_path / "config.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as leader:
        assert leader.stdout is not None
        assert '"started"' in leader.stdout.readline()
        [follower] = children(leader.pid)
        os.kill(leader.pid if victim == "leader" else follower, signal.SIGKILL)
        said, complaints = leader.communicate(timeout=60)
    assert '"end"' not in said
    assert leader.returncode == (-signal.SIGKILL if victim == "leader" else gang.LOST)
    if victim == "follower":
        assert "process 1 of 2 has gone (status -9)" in complaints
    deadline = time.monotonic() + 60
    while Path(f"/proc/{follower}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
