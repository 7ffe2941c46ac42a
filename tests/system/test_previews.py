"""Previews through the whole service, the client and the commands."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from descent import Client
from descent.cli.commands import app
from descent.errors import InvalidPayload
from tests.system.conftest import EXAMPLES, Service

pytestmark = pytest.mark.system
SGD = {"type": "SGD", "lr": 0.1}


@pytest.fixture
def client(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("DESCENT_URL", str(service.http.base_url).rstrip("/"))
    monkeypatch.setenv("DESCENT_API_KEY", service.http.headers["authorization"].removeprefix("Bearer "))
    with Client() as opened:
        yield opened


def test_the_client_asks_for_schedules_and_trajectories(client: Client) -> None:
    shown = client.preview_schedule(SGD, {"type": "StepLR", "step_size": 2, "gamma": 0.5}, epochs=4)
    assert shown == {
        "points": [0, 1, 2, 3],
        "groups": [{"index": 0, "lr": [0.1, 0.1, 0.05, 0.05], "momentum": [0.0] * 4}],
    }
    model = {"type": "Function", "expression": "4 * x ** 2", "initial": {"x": 2.0}}
    path = client.preview_trajectory(model, {"type": "SGD", "lr": 0.125}, steps=1)
    assert path == [
        {"step": 0, "parameters": {"x": 2.0}, "gradients": {"x": 16.0}, "loss": 16.0},
        {"step": 1, "parameters": {"x": 0.0}, "gradients": {"x": 0.0}, "loss": 0.0},
    ]
    with pytest.raises(InvalidPayload) as refused:
        client.preview_schedule(SGD, {"type": "StepLR", "step_size": 0}, epochs=4)
    assert refused.value.errors[0]["pointer"] == "/scheduler/step_size"


def command(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["preview", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_commands_show_the_rates_that_the_job_then_has(client: Client, service: Service) -> None:
    for name in ("schedule-sequential", "schedule-lambda-groups"):
        file = EXAMPLES / f"{name}.json"
        groups: list[dict[str, Any]] = json.loads(command("schedule", str(file), "--json"))["groups"]
        job = service.submit(json.loads(file.read_text()))
        assert service.ended(job["id"])["status"] == "succeeded"
        for index, row in enumerate(service.epochs(job["id"])):
            assert row["learning_rates"] == [group["lr"][index] for group in groups]
    step = command(
        "schedule",
        str(EXAMPLES / "iris-mlp-adam.json"),
        "--set",
        '/scheduler={"type": "RangeTest", "min_lr": 1e-5, "max_lr": 1}',
    )
    assert step.splitlines()[0].split()[:2] == ["step", "lr"]
    quadratic = command("trajectory", str(EXAMPLES / "quadratic-lr0.01-momentum0.0.json"), "--steps", "3")
    assert [line.split()[0] for line in quadratic.splitlines()[1:5]] == ["0", "1", "2", "3"]
