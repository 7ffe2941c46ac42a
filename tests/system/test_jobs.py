"""The example jobs over HTTP, each compared with plain PyTorch built from its resolved spec."""

import json
import math
from typing import Any

import pytest

from tests import oracle
from tests.system.conftest import EXAMPLES, Service

pytestmark = pytest.mark.system

PLAIN = [
    "digits-cnn-adam", "digits-mlp-muon", "digits-mlp-regularised", "iris-mlp-adadelta", "iris-mlp-adafactor",
    "iris-mlp-adagrad", "iris-mlp-adam", "iris-mlp-adamax", "iris-mlp-adamw", "iris-mlp-asgd", "iris-mlp-lbfgs",
    "iris-mlp-nadam", "iris-mlp-nesterov", "iris-mlp-radam", "iris-mlp-rmsprop", "iris-mlp-rprop", "iris-mlp-sgd",
    "linear-regression-adam", "linear-regression-sgd", "quadratic-lr0.01-momentum0.0", "quadratic-lr0.01-momentum0.63",
    "quadratic-lr0.01-momentum0.9", "quadratic-lr0.03-momentum0.0", "schedule-cosine", "schedule-exponential",
    "schedule-lambda-groups", "schedule-multistep", "schedule-plateau", "schedule-sequential", "schedule-step",
]  # fmt: skip


@pytest.fixture(scope="module")
def jobs(service: Service, request: pytest.FixtureRequest) -> dict[str, str]:
    """Those looked at, submitted at once: they queue, run side by side, and are looked at one by one."""
    chosen = [name for name in PLAIN if any(f"plain_torch[{name}]" in item.name for item in request.session.items)]
    return {name: service.submit(json.loads((EXAMPLES / f"{name}.json").read_text()))["id"] for name in chosen}


SLOW = ("digits-cnn-adam", "digits-mlp-regularised")  # their scripts are compared as well


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in PLAIN]
)
def test_a_job_equals_plain_torch(service: Service, jobs: dict[str, str], name: str) -> None:
    job = service.ended(jobs[name])
    assert job["status"] == "succeeded", job["error"]
    rows = service.epochs(job["id"])
    expected, _ = oracle.train(job["resolved_spec"])
    stopped = job["stopped"]["epoch"] if job["stopped"] else job["resolved_spec"]["training"]["epochs"]
    assert [row["epoch"] for row in rows] == list(range(1, stopped + 1))
    for row, plain in zip(rows, expected[:stopped], strict=True):
        assert row["learning_rates"] == plain["learning_rates"], (row, plain)
        close(row["train_loss"], plain["train_loss"])
        close(row["validation_loss"], plain.get("validation_loss"))
        for key in ("parameters", "gradients"):
            assert row.get(key) == plain.get(key)
        if "train_accuracy" in plain:
            close(row["metrics"]["train_accuracy"], plain["train_accuracy"], 1e-6)


@pytest.fixture(scope="module")
def others(service: Service) -> dict[str, str]:
    """What the oracle does not speak of: phases, update rules, augmentation, ready-made models, WarmupCosine."""
    documents = {path.stem: json.loads(path.read_text()) for path in EXAMPLES.glob("*.json")}
    plain = {name: spec for name, spec in documents.items() if "over" not in spec and name not in PLAIN}
    wanted = {name: spec for name, spec in plain.items() if "ds_REPLACE" not in json.dumps(spec)}
    return {name: service.submit(spec)["id"] for name, spec in wanted.items() if name != "quadratic-diverges"}


def test_every_other_example_succeeds(service: Service, others: dict[str, str]) -> None:
    assert len(others) >= 9
    for name, job_id in others.items():
        job = service.ended(job_id)
        assert job["status"] == "succeeded", (name, job["error"])
        epochs = [row["epoch"] for row in service.epochs(job_id)]
        assert epochs == list(range(1, job["progress"]["epochs"] + 1)), name


def close(recorded: Any, plain: Any, relative: float = 1e-9) -> None:
    assert (recorded is None) == (plain is None)
    assert plain is None or math.isclose(recorded, plain, rel_tol=relative, abs_tol=1e-300), (recorded, plain)


def test_a_diverging_job_fails_as_diverged(service: Service) -> None:
    job = service.submit(json.loads((EXAMPLES / "quadratic-diverges.json").read_text()))
    job = service.ended(job["id"])
    assert (job["status"], job["error"]["code"]) == ("failed", "diverged")
