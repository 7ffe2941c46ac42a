"""An exported script, run alone in an empty folder, prints the engine's rows bit for bit."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.export.conftest import Ran, alone, run
from tests.export.jobs import IRIS, JOBS, changed
from tests.export.odd_jobs import ODD_JOBS
from worker.export.script import training_script


def exported(ran: Ran, folder: Path, **options: Any) -> str:
    """The script and what lies beside it, in a folder of their own."""
    found = training_script(ran.resolution, ran.prepared, 'a "job"\n', **options)
    folder.mkdir()
    (folder / "train.py").write_text(found.script)
    for name, path in found.files.items():
        shutil.copy(path, folder / name)
    return found.script


def check(ran: Ran, folder: Path, **options: Any) -> None:
    """Every row, the test part and the last weights, to the bit."""
    script = exported(ran, folder, **options)
    everything = ["--all"] if '"--all"' in script else []
    lines = [json.loads(line) for line in alone(folder, "train.py", "--save", "last.pt", *everything).splitlines()]
    told: dict[str, list[Any]] = {"epoch": [], "step": [], "test": []}
    for line in lines:
        told[line.pop("type", "epoch")].append(line)
    assert told["epoch"] == ran.rows
    assert told["step"] == ran.steps
    test = ran.end["test"]
    assert told["test"] == ([{key: test[key] for key in ("loss", "metrics")}] if test is not None else [])
    weights = torch.load(folder / "last.pt", weights_only=True)
    assert digests(weights) == digests(ran.weights)


def digests(weights: dict[str, torch.Tensor]) -> dict[str, str]:
    """Of each tensor's bytes."""
    return {
        name: hashlib.sha256(tensor.contiguous().reshape(-1).view(torch.uint8).numpy()).hexdigest()
        for name, tensor in weights.items()
    }


ALL = JOBS | ODD_JOBS
QUICK = {
    "digits-cnn-adam", "clip-accumulate-ema", "early-stopping", "one-cycle-by-step", "range-test", "float16", "phases",
    "inline-lbfgs-accumulated", "quadratic-lr0.01-momentum0.9", "cnn-mixup", "rnn", "gpt", "graph", "lbfgs-tells-all",
    "together-dropout-ema", "together-lbfgs", "together-rollback-logged-keep-best",
    "function-of-words-that-a-module-has", "rule-of-words-that-its-class-uses", "graph-of-words-that-its-class-uses",
    "rule-of-tensors-or-numbers",
    "thaws-into-groups-that-waited",
    "classes-all-metrics", "rollback-logged-keep-best", "regression-metrics-plateau", "draws-in-validation",
    "several-answers",
}  # fmt: skip


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in ALL])
def test_the_script_prints_the_rows(name: str, tmp_path: Path) -> None:
    ran = run(ALL[name], tmp_path)
    assert ran.rows
    check(ran, tmp_path / "alone")


def test_csv(tmp_path: Path) -> None:
    ran = run(IRIS, tmp_path)
    exported(ran, tmp_path / "alone")
    head, *lines = alone(tmp_path / "alone", "train.py", "--csv").splitlines()
    assert head.split(",")[:4] == ["epoch", "phase", "train_loss", "validation_loss"]
    assert [float(line.split(",")[2]) for line in lines] == [row["train_loss"] for row in ran.rows]


HOSTILE = ('"""\nimport os; os.system("x")\n"""', "\\", "a\x00b", "name # \u2028 x", "'; import os #")


@pytest.mark.parametrize("title", HOSTILE)
def test_a_name_is_only_ever_text(title: str, tmp_path: Path) -> None:
    ran = run(changed(IRIS, training__epochs=1), tmp_path)
    script = training_script(ran.resolution, ran.prepared, title).script
    assert "\nimport os" not in script
    compile(script, "train.py", "exec")
