"""A training that starts from another one's checkpoint: what is taken over, by name, and what is not."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from worker.training.checkpoint import read
from worker.training.config import Config
from worker.training.fork import graft
from worker.training.learner import Learner

Report = dict[str, Any]


@pytest.fixture
def parent(config: Report, train: Callable[..., Any]) -> Callable[..., tuple[Report, Any, Any]]:
    """Trains with some sections changed; the config, and the last checkpoint's tensors and metadata."""

    def trained(**phase: Any) -> tuple[Report, Any, Any]:
        changed = copy.deepcopy(config)
        changed["phases"][0] |= phase
        result = train(changed)
        assert result.end["outcome"] == "succeeded", result.end
        written = result.of("checkpoint")[-1]
        return changed, *read(result.directory, written["path"], written["sha256"])

    return trained


def grafted(config: Report, tensors: Any, metadata: Any) -> tuple[Learner, Report]:
    learner = Learner(Config.parse(config), torch.device("cpu"), 6)
    return learner, graft(learner, tensors, metadata)


ADAM = {"type": "Adam", "lr": 0.01}
STEP = {"type": "StepLR", "step_size": 2, "gamma": 0.1}


def test_nothing_changed_everything_is_taken_over(parent: Callable[..., Any]) -> None:
    config, tensors, metadata = parent(optimizer=ADAM, scheduler=STEP)
    learner, report = grafted(config, tensors, metadata)
    assert report["reset"] == report["dropped"] == []
    assert [name for name in report["restored"] if not name.startswith("model.")] == [
        "optimizer.0.weight", "optimizer.0.bias", "optimizer.1.weight", "optimizer.1.bias",
        "optimizer.4.weight", "optimizer.4.bias", "scheduler",
    ]  # fmt: skip
    for name, tensor in learner.model.state_dict().items():
        assert torch.equal(tensor, tensors[f"model.{name}"])
    parameter = learner.parameters["4.weight"]
    assert learner.optimizer.state[parameter]["step"] == 24
    assert learner.optimizer.param_groups[0]["lr"] == pytest.approx(0.0001)  # two cuts of four epochs


def test_state_follows_the_name_into_other_groups(parent: Callable[..., Any]) -> None:
    config, tensors, metadata = parent(optimizer=ADAM)
    before, _ = grafted(config, tensors, metadata)
    config["phases"][0]["optimizer"] = ADAM | {"groups": [{"params": ["4.weight", "4.bias"], "lr": 0.1}]}
    learner, report = grafted(config, tensors, metadata)
    assert report["reset"] == []
    assert [group["lr"] for group in learner.optimizer.param_groups] == [0.1, 0.01]
    for name, parameter in learner.parameters.items():
        state, old = learner.optimizer.state[parameter], before.optimizer.state[before.parameters[name]]
        assert torch.equal(state["exp_avg"], old["exp_avg"]), name


def test_what_does_not_fit_is_as_built(parent: Callable[..., Any]) -> None:
    config, tensors, metadata = parent(optimizer=ADAM, scheduler=STEP)
    fresh = copy.deepcopy(config)
    fresh["model"]["layers"][4]["out_features"] = 5
    fresh["model"]["layers"].append({"type": "Linear", "in_features": 5, "out_features": 3})
    fresh["phases"][0]["scheduler"] = STEP | {"gamma": 0.5}
    learner, report = grafted(fresh, tensors, metadata)
    built = Learner(Config.parse(fresh), torch.device("cpu"), 6)
    assert {entry["name"]: entry["why"] for entry in report["reset"]} == {
        "model.4.weight": "its shape was [3, 8], now it is [5, 8]",
        "model.4.bias": "its shape was [3], now it is [5]",
        "model.5.weight": "the checkpoint has none of this name",
        "model.5.bias": "the checkpoint has none of this name",
        "optimizer.4.weight": "its parameter has another shape",
        "optimizer.4.bias": "its parameter has another shape",
        "scheduler": "its section of the spec changed",
    }
    assert torch.equal(learner.parameters["4.weight"], built.parameters["4.weight"])
    assert torch.equal(learner.parameters["0.weight"], tensors["model.0.weight"])
    assert learner.optimizer.param_groups[0]["lr"] == 0.01


@pytest.mark.parametrize(
    ("optimizer", "why"),
    [
        ({"type": "SGD", "lr": 0.1, "momentum": 0.9}, "the optimizer was Adam, now it is SGD"),
        (ADAM | {"amsgrad": True}, "amsgrad changed"),
    ],
)
def test_another_optimizer_starts_with_no_state(parent: Callable[..., Any], optimizer: Report, why: str) -> None:
    config, tensors, metadata = parent(optimizer=ADAM)
    config["phases"][0]["optimizer"] = optimizer
    learner, report = grafted(config, tensors, metadata)
    assert {entry["why"] for entry in report["reset"]} == {why}
    assert not learner.optimizer.state


@pytest.mark.parametrize("kind", ["SGD", "NAdam", "ASGD", "Adagrad", "LBFGS", "RMSprop", "Adafactor"])
def test_a_fork_trains_on(parent: Callable[..., Any], train: Callable[..., Any], kind: str) -> None:
    config, _, _ = parent(optimizer={"type": kind, "lr": 0.01})
    first = train(config)
    written = first.of("checkpoint")[-1]
    origin = {"path": str(first.directory / written["path"]), "sha256": written["sha256"]}
    second = train(config, directory=str(first.directory.parent / "fork"), fork=origin)
    assert second.end["outcome"] == "succeeded", second.end
    assert [row["epoch"] for row in second.rows] == [1, 2, 3, 4]
    assert [event["event"] for event in second.of("event")] == ["forked"]
