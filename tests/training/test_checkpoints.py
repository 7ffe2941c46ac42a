"""The file: whole, named, hashed, free of pickle; refused when a bit has changed; kept when the disk is full."""

import errno
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from worker.training import checkpoint
from worker.training.errors import CheckpointCorrupt

from .conftest import Train

Config = dict[str, Any]


def test_the_file_is_safetensors_named_by_its_hash(config: Config, train: Train) -> None:
    result = train(config)
    report = result.of("checkpoint")[-1]
    assert report["reason"] == "final"
    assert (report["epoch"], report["step"]) == (4, 24)
    assert report["path"] == f"a1/e000004-s00000024-{report['sha256'][:8]}.safetensors"
    file = result.directory / report["path"]
    assert file.stat().st_size == report["bytes"]
    names = {name for name in load_file(file) if name.startswith("model.")}
    assert names == {f"model.{n}" for n in ("0.weight", "0.bias", "4.weight", "4.bias", "1.weight", "1.bias")} | {
        "model.1.running_mean", "model.1.running_var", "model.1.num_batches_tracked",
    }  # fmt: skip
    with safe_open(file, framework="pt") as opened:
        optimizer = json.loads(opened.metadata()["optimizer"])
    assert optimizer["type"] == "SGD"
    assert optimizer["groups"][0]["parameters"] == ["0.weight", "0.bias", "1.weight", "1.bias", "4.weight", "4.bias"]
    assert not list(file.parent.glob(".tmp-*"))


def test_optimizer_as_data_has_figures_of_each_state_tensor(config: Config, train: Train) -> None:
    config["phases"][0]["optimizer"] = {"type": "Adam", "lr": 0.01}
    result = train(config)
    with safe_open(result.directory / result.of("checkpoint")[-1]["path"], framework="pt") as opened:
        state = json.loads(opened.metadata()["optimizer"])["state"]["0.weight"]
    assert state["step"] == 24
    assert state["exp_avg"].keys() == {"shape", "dtype", "norm", "mean", "min", "max"}
    assert (state["exp_avg"]["shape"], state["exp_avg"]["dtype"]) == ([8, 4], "float32")


@pytest.mark.parametrize("where", ["header", "tensors", "cut", "gone"])
def test_a_changed_checkpoint_is_refused(config: Config, train: Train, where: str) -> None:
    first = train(config, stop_at_step=9)
    saved = first.of("checkpoint")[-1]
    file = first.directory / saved["path"]
    content = bytearray(file.read_bytes())
    if where == "gone":
        file.unlink()
    else:
        content[100 if where == "header" else -5] ^= 1
        file.write_bytes(content[:-10] if where == "cut" else content)
    with pytest.raises(CheckpointCorrupt):
        checkpoint.read(first.directory, saved["path"], saved["sha256"])
    second = train(config, attempt=2, resume={"path": saved["path"], "sha256": saved["sha256"]})
    assert second.end["error"]["code"] == "checkpoint_corrupt"
    assert second.end["error"]["detail"] == {"path": saved["path"]}


def test_a_full_disk_leaves_the_previous_checkpoint(
    config: Config, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    config["checkpoint"] = {"every_epochs": 1}
    calls, real = [0], os.fsync

    def full(handle: int) -> None:
        calls[0] += 1
        if calls[0] > 6:  # a checkpoint syncs its file and its folder, the first one also the folder's own
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    result = train(config)
    failed = [event for event in result.of("event") if event["event"] == "checkpoint_failed"]
    assert failed[0]["data"]["code"] == "disk_full"
    assert result.end["outcome"] == "failed"
    assert result.end["error"]["code"] == "disk_full"
    assert len(result.rows) == 4  # the training itself went on
    kept = result.of("checkpoint")[-1]
    assert checkpoint.read(result.directory, kept["path"], kept["sha256"])
    assert not list((result.directory / "a1").glob(".tmp-*"))


@pytest.mark.parametrize("request_", ["pause", "drain", "preempt", "cancel"])
def test_requests_are_obeyed_at_the_next_step(config: Config, train: Train, request_: str) -> None:
    result = train(config, stop_at_step=3, request=request_)
    assert (result.end["outcome"], result.end["request"]) == ("stopped", request_)
    reasons = {"pause": ["pause"], "drain": ["drain"], "preempt": ["drain"], "cancel": []}
    assert [report["reason"] for report in result.of("checkpoint")] == reasons[request_]
    assert [report["step"] for report in result.of("checkpoint")] == [3][: len(reasons[request_])]


FAILPOINTS = ["step:8", "mid_checkpoint_write:2", "after_rename:2"]
MORE_FAILPOINTS = [
    "after_optimizer_step:8", "after_epoch_row:2", "during_validation:3", "after_tmp_write:2",
    "after_checkpoint_report:2", "before_end",
]  # fmt: skip


@pytest.mark.parametrize(
    "failpoint", [*FAILPOINTS, *(pytest.param(f, marks=pytest.mark.slow) for f in MORE_FAILPOINTS)]
)
def test_killed_at_any_moment_it_goes_on_as_if_nothing_had_been(
    config: Config, train: Train, tmp_path: Path, failpoint: str
) -> None:
    config["checkpoint"] = {"every_steps": 4}
    whole = train(config)
    config["run"] |= {"directory": str(tmp_path / "killed")}
    (tmp_path / "config.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "worker.training", str(tmp_path / "config.json")]
    killed = subprocess.run(
        command, env={**os.environ, "DESCENT_FAILPOINT": failpoint}, capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    reports = [json.loads(line) for line in killed.stdout.splitlines()]
    saved = [report for report in reports if report["type"] == "checkpoint"]
    resume = {"path": saved[-1]["path"], "sha256": saved[-1]["sha256"]} if saved else None
    second = train(config, attempt=2, resume=resume)
    assert second.end["outcome"] == "succeeded"
    expected = {row["epoch"]: row for row in whole.rows}
    assert all(row == expected[row["epoch"]] for row in second.rows)
    if second.of("checkpoint"):
        for name, tensor in whole.weights().items():
            assert torch.equal(second.weights()[name], tensor)


def test_a_file_size_limit_is_a_full_disk(config: Config, train: Train) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        end = train(config).end
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert end["error"]["code"] == "disk_full"
