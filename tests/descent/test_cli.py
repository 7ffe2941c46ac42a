"""The commands, in this process and as programs, against the real API."""

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
from typer.testing import CliRunner, Result

from descent import Client
from descent.cli.branches import patch_of
from descent.cli.commands import app
from descent.cli.shown import reproduced
from tests.descent.conftest import SPEC, Address
from tests.descent.test_client import in_background

Run = Callable[..., None]
AddEpoch = Callable[..., int]


def descent(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(app, arguments, input=stdin)


def answer(*arguments: str, stdin: str | None = None) -> Any:
    """What `--json` prints."""
    result = descent(*arguments, "--json", stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def program(*arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "descent", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(SPEC))
    return str(path)


def test_submit_changes_the_spec_on_the_way(client: Client, file: str) -> None:
    clip = {"type": "norm", "max_norm": 1.0}
    changes = ["--set", "/optimizer/lr=0.5", "--set", f"/training/clip={json.dumps(clip)}", "--name", "mine"]
    made = answer("submit", file, *changes, "--metadata", "team=b", "--metadata", "run=7")
    sent = client.job(made["id"])["spec"]
    assert (sent["name"], sent["optimizer"]["lr"], sent["training"]["clip"]) == ("mine", 0.5, clip)
    assert sent["metadata"] == {"team": "b", "run": "7"}
    plain = descent("submit", file, "--quiet").stdout
    assert client.job(plain.strip())["spec"] == SPEC
    assert answer("submit", "-", stdin=json.dumps(SPEC))["name"] == "iris"


ERRORS = [
    (["submit", "nowhere.json"], "there is no file nowhere.json"),
    (["submit", "FILE", "--set", "/optimizer/lr=-1"], "/optimizer/lr "),
    (["submit", "FILE", "--set", "lr=1"], "--set takes /pointer/to/value=VALUE, not 'lr=1'"),
    (["submit", "FILE", "--set", "/model/hidden/3=1"], "--set /model/hidden/3: the list has no place '3', but 0 to 0"),
    (["submit", "FILE", "--set", "/name/x=1"], '--set /name/x: there is nothing below "iris"'),
    (["submit", "FILE", "--set", "/training/epochs=NaN"], "/training/epochs "),
    (["show", "job_zzz"], "no job's id begins with 'job_zzz'"),
    (["show", "no job"], "'no job' is no job id"),
    (["show", "last"], "there are no jobs yet: descent submit FILE"),
    (["weights", "job_" + "0" * 26], "There is no such job."),
    (["list", "--status", "lazy"], "/query/status/0 "),
    (["catalog", "Adamant"], "there is no 'Adamant' in the catalog"),
]
NO_SPECS = [
    ("{", "is not JSON: Expecting property name"),
    ("[1]", "holds no JSON object"),
    ('{"a": {"b": 1, "b": 2}}', "is not JSON: the key 'b' stands twice in one object"),
    ('{"a": NaN}', "is not JSON: NaN is no number"),
]


def test_an_error_is_one_line(client: Client, file: str, tmp_path: Path) -> None:
    for arguments, said in ERRORS:
        is_one_line(descent(*(file if argument == "FILE" else argument for argument in arguments)), f"error: {said}")
    bad = tmp_path / "bad.json"
    for text, said in NO_SPECS:
        bad.write_text(text)
        is_one_line(descent("submit", str(bad)), f"error: {bad} {said}")


def is_one_line(result: Result, beginning: str) -> None:
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1), beginning
    assert result.stderr.startswith(beginning)


def test_wrong_usage_is_one_line_with_exit_status_2(address: Address) -> None:
    for arguments in (["submit"], ["list", "--nonsense"], ["lits"], ["epochs", "last", "--tail", "x"]):
        result = program(*arguments, env=address.environment())
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1


def test_no_service_is_one_line(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DESCENT_")}
    result = program("list", "--state", str(tmp_path), env=environment)
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: no service is ready in {tmp_path}: start one with `descent up`")
    gone = environment | {"DESCENT_URL": "http://127.0.0.1:9", "DESCENT_API_KEY": "dsk_x"}
    result = program("list", env=gone)
    assert result.returncode == 1
    assert "error: no answer from http://127.0.0.1:9" in result.stderr


def test_jobs_are_named_by_last_and_by_beginnings(client: Client) -> None:
    first, second = client.submit(SPEC)["id"], client.submit(SPEC)["id"]
    assert answer("show", "last")["id"] == second
    common = first[: next(place for place, letter in enumerate(first) if letter != second[place])]
    for job_id in (first, second):
        beginning = job_id[: len(common) + 1]
        assert answer("show", beginning)["id"] == job_id
        assert answer("show", beginning.removeprefix("job_").upper())["id"] == job_id
    result = descent("show", common)
    assert "is the beginning of several ids" in result.stderr


def test_a_job_is_moved(client: Client) -> None:
    job_id = client.submit(SPEC)["id"]
    assert "paused" in descent("pause", "last").stdout
    assert answer("resume", "last")["status"] == "queued"
    assert answer("cancel", job_id)["status"] == "cancelled"
    result = descent("pause", "last")
    assert (result.exit_code, result.stderr) == (1, "error: A job that is cancelled cannot be paused.\n")
    assert answer("delete", "last") == {"id": job_id, "deleted": True}
    assert answer("list") == []


def test_lists_and_rows_are_shown(client: Client, run_job: Run, add_epoch: AddEpoch) -> None:
    job = client.submit({**SPEC, "name": "a [red]name[/] with markup"})
    run_job(job["id"])
    add_epoch(job["id"], 1)
    add_epoch(job["id"], 2, train_loss=float("nan"))
    listed = descent("list").stdout.splitlines()
    assert listed[0].split() == ["job", "name", "status", "epoch", "train", "loss", "validation", "created"]
    assert job["id"] in listed[1]
    assert "a [red]name[/] with markup" in listed[1]
    shown = descent("show", "last").stdout
    assert "epoch 2: loss nan  val 0.3  acc 0.500  lr 0.02" in shown
    table = descent("epochs", "last").stdout.splitlines()
    assert table[1].split()[:4] == ["1", "1", "0.3", "0.5"]
    assert len(descent("epochs", "last", "--csv").stdout.splitlines()) == 3
    rows = answer("epochs", "last")
    assert [row["train_loss"] for row in rows] == [1.0, "NaN"]
    assert [row["epoch"] for row in answer("epochs", "last", "--tail", "1")] == [2]
    assert [event["type"] for event in answer("events", "last")] == ["queued", "started"]
    assert "The job runs." in descent("events", "last").stdout
    assert answer("attempts", "last") == []
    assert answer("logs", "last")["lines"] == []
    assert answer("checkpoints", "last") == []
    assert json.loads(descent("show", "last", "--spec").stdout)["optimizer"] == SPEC["optimizer"]
    assert json.loads(descent("show", "last", "--resolved").stdout)["optimizer"]["betas"] == [0.9, 0.999]
    assert answer("workers") == []
    assert answer("catalog", "steplr")["type"] == "StepLR"
    assert "number ≥ 0" in descent("catalog", "StepLR").stdout
    assert "OneCycleLR" in descent("catalog", "schedulers").stdout
    assert answer("whoami")["scopes"] == ["admin", "read", "write"]


def test_a_job_is_changed(client: Client) -> None:
    made = client.submit(SPEC)
    changed = answer("change", "last", "--epochs", "9", "--priority", "7", "--name", "long", "--metadata", "team=b")
    assert (changed["id"], changed["progress"]["epochs"], changed["priority"]) == (made["id"], 9, 7)
    assert (changed["name"], changed["metadata"]) == ("long", {"team": "b"})
    assert "nothing to change" in descent("change", "last").stderr


def test_a_fork_sends_the_sections_that_change(client: Client) -> None:
    groups = [{"params": ".*bias", "lr": 0.1}]
    spec = {**SPEC, "optimizer": {**SPEC["optimizer"], "groups": groups}}
    patch = patch_of(spec, ["/optimizer/groups/0/lr=0.01", "/training/l1=0.1", "/seed=0"])
    assert patch["optimizer"] == {**SPEC["optimizer"], "groups": [{"params": ".*bias", "lr": 0.01}]}
    assert patch["training"] == {**SPEC["training"], "l1": 0.1}
    assert set(patch) - {"seed"} == {"optimizer", "training"}
    client.submit(spec)
    refused = descent("fork", "last", "--set", "/optimizer/lr=0.01")
    assert (refused.exit_code, "checkpoint" in refused.stderr) == (1, True)  # it has none yet


def test_workers_are_taken_out_and_back(client: Client, add_worker: Callable[..., str]) -> None:
    worker = add_worker()
    assert [row["id"] for row in answer("workers")] == [worker]
    for command, state in (("cordon", "cordoned"), ("uncordon", "active"), ("drain", "draining")):
        result = descent("workers", command, worker, "--json")
        assert [row["state"] for row in json.loads(result.stdout)] == [state]
    assert worker in descent("workers").stdout


def test_a_narrow_terminal_gets_fewer_columns(
    client: Client, add_epoch: AddEpoch, monkeypatch: pytest.MonkeyPatch
) -> None:
    from descent.cli.output import console

    job = client.submit(SPEC)
    add_epoch(job["id"], 1)
    monkeypatch.setattr(console, "width", 46)
    result = descent("epochs", "last")
    assert all(len(line) <= 46 for line in result.stdout.splitlines())
    assert "too narrow for: seconds" in result.stderr


def test_watching_tells_every_row_and_the_end(client: Client, run_job: Run, add_epoch: AddEpoch, end_job: Run) -> None:
    job_id = client.submit(SPEC)["id"]
    run_job(job_id)
    add_epoch(job_id, 1)
    thread = in_background(lambda: add_epoch(job_id, 2), lambda: end_job(job_id))
    result = descent("watch", "last")
    thread.join()
    assert result.exit_code == 0
    assert "epoch 2/4  loss 0.5  val 0.3  acc 0.500  lr 0.02  240 samples/s" in result.stdout
    assert "✓ succeeded" in result.stdout
    lines = [json.loads(line) for line in descent("watch", "last", "--json").stdout.splitlines()]
    assert [line["event"] for line in lines] == ["epoch", "job"]
    assert lines[-1]["data"]["status"] == "succeeded"


def test_watching_a_job_that_fails_has_exit_status_1(client: Client, end_job: Run) -> None:
    job_id = client.submit(SPEC)["id"]
    end_job(job_id, "failed")
    result = descent("watch", "last")
    assert (result.exit_code, result.stderr) == (1, f"error: {job_id} failed\n")


def test_ctrl_c_leaves_the_job_running(address: Address, client: Client, file: str) -> None:
    command = [sys.executable, "-m", "descent", "submit", file, "--watch"]
    watching = subprocess.Popen(
        command,
        env=address.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    assert watching.stdout is not None
    job_id = watching.stdout.readline().split()[0]
    time.sleep(0.5)
    watching.send_signal(signal.SIGINT)
    _, said = watching.communicate(timeout=60)
    assert watching.returncode == 130
    assert f"Watch again: descent watch {job_id}" in said
    assert "Traceback" not in said
    assert client.job(job_id)["status"] == "queued"


def test_a_closed_pipe_is_no_error(address: Address, client: Client, add_epoch: AddEpoch) -> None:
    job_id = client.submit(SPEC)["id"]
    for epoch in range(1, 30):
        add_epoch(job_id, epoch)
    command = f"{sys.executable} -m descent epochs last --json | head -n 1"
    result = subprocess.run(command, shell=True, env=address.environment(), capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("[\n", "")


def test_the_help() -> None:
    result = program("--help")
    assert result.returncode == 0
    assert {"submit", "watch", "epochs", "up", "keys"} <= set(result.stdout.split())
    assert program("--version").stdout.strip()


@pytest.mark.parametrize(
    ("reproduction", "told"),
    [
        (None, ""),
        ({"verdict": None}, "job_a"),
        ({"verdict": None, "detail": "the original is gone"}, "job_a: the original is gone"),
        ({"verdict": "bit_exact", "first_difference": None}, "job_a: [green]equal, bit for bit[/]"),
        (
            {"verdict": "differs", "environment": ["torch"], "first_difference":
             {"epoch": 3, "column": "train_loss", "recorded": "0.5", "repeated": "0.25"}},
            "job_a: [red]differs[/] from epoch 3: train_loss was 0.5, is 0.25 (not the same: torch)",
        ),
        (
            {"verdict": "differs", "environment": [], "first_difference":
             {"epoch": 4, "column": None, "missing": "repeated"}},
            "job_a: [red]differs[/] from epoch 4, which only one of them has",
        ),
        (
            {"verdict": "differs", "first_difference": {"weights_sha256": None, "recorded": "a", "repeated": "b"}},
            "job_a: [red]differs[/] in the final weights alone",
        ),
    ],
)  # fmt: skip
def test_how_a_reproduction_compares(reproduction: dict[str, Any] | None, told: str) -> None:
    job: Any = {} if reproduction is None else {"reproduction": {"job_id": "job_a", **reproduction}}
    assert reproduced(job) == told
