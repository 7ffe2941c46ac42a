"""What the previews worker answers, beside plain torch."""

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from app.jobs.spec import SpecError
from app.previews.questions import MAX_POINTS, MAX_STEPS, read_schedule, read_trajectory
from worker.previews import answer

SGD = {"type": "SGD", "lr": 0.1, "momentum": 0.9}


def plain(build: Any, steps: int, *rates: float) -> list[list[float]]:
    """The learning rates of each group, from torch itself."""
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates]
    optimizer = torch.optim.SGD(groups, momentum=0.9)
    scheduler = build(optimizer)
    found = []
    for _ in range(steps):
        found.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return [list(rates) for rates in zip(*found, strict=True)]


def shown(**question: Any) -> list[list[float]]:
    read_schedule(question)
    found = answer("schedule", question)
    assert "result" in found, found
    assert found["result"]["points"] == list(range(len(found["result"]["groups"][0]["lr"])))
    return [group["lr"] for group in found["result"]["groups"]]


def warm(optimizer: Any) -> Any:
    first = lr_scheduler.LinearLR(optimizer, 0.1, 1.0, 5)
    return lr_scheduler.SequentialLR(optimizer, [first, lr_scheduler.ExponentialLR(optimizer, 0.9)], [5])


SCHEDULES: list[tuple[dict[str, Any], Any]] = [
    ({"type": "StepLR", "step_size": 3, "gamma": 0.5}, lambda o: lr_scheduler.StepLR(o, 3, 0.5)),
    ({"type": "CosineAnnealingLR", "T_max": 12}, lambda o: lr_scheduler.CosineAnnealingLR(o, 12)),
    ({"type": "LambdaLR", "lr_lambda": "0.95 ** epoch"}, lambda o: lr_scheduler.LambdaLR(o, lambda e: 0.95**e)),
    ({"type": "CyclicLR", "base_lr": 0.01, "max_lr": 0.1, "step_size_up": 4},
     lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, 4)),
    ({"type": "OneCycleLR", "max_lr": 1.0, "total_steps": 12}, lambda o: lr_scheduler.OneCycleLR(o, 1.0, 12)),
    ({"type": "SequentialLR", "milestones": [5], "schedulers": [
        {"type": "LinearLR", "start_factor": 0.1, "total_iters": 5}, {"type": "ExponentialLR", "gamma": 0.9}]}, warm),
]  # fmt: skip


@pytest.mark.parametrize(("scheduler", "build"), SCHEDULES)
def test_a_schedule_is_torchs(scheduler: dict[str, Any], build: Any) -> None:
    steps = 11 if scheduler["type"] == "OneCycleLR" else 12  # torch raises at the step after the last
    assert shown(optimizer=SGD, scheduler=scheduler, epochs=steps)[0] == plain(build, steps, 0.1)[0]
    by_step = {**scheduler, "interval": "step"}
    epochs, per_epoch = (1, 11) if steps == 11 else (3, 4)
    found = shown(optimizer=SGD, scheduler=by_step, epochs=epochs, steps_per_epoch=per_epoch)
    assert found[0] == plain(build, steps, 0.1)[0]


def test_a_cycle_in_a_sequence_is_as_long_as_its_own_part() -> None:
    def build(optimizer: Any) -> Any:
        parts = [lr_scheduler.ConstantLR(optimizer, 0.5, 3), lr_scheduler.OneCycleLR(optimizer, 1.0, 5)]
        return lr_scheduler.SequentialLR(optimizer, parts, [3])

    parts = [{"type": "ConstantLR", "factor": 0.5, "total_iters": 3}, {"type": "OneCycleLR", "max_lr": 1.0}]
    sequence = {"type": "SequentialLR", "milestones": [3], "schedulers": [parts[0], {**parts[1], "total_steps": 5}]}
    assert shown(optimizer=SGD, scheduler=sequence, epochs=8)[0] == plain(build, 8, 0.1)[0]
    with pytest.raises(SpecError, match="the cycle has 5 steps, 6 will be taken"):
        read_schedule({"optimizer": SGD, "scheduler": sequence, "epochs": 9})


def test_groups_have_rates_of_their_own_and_the_default_group_comes_last() -> None:
    optimizer = {**SGD, "groups": [{"params": "fc.*", "lr": 0.01}]}
    expected = plain(lambda o: lr_scheduler.ExponentialLR(o, 0.5), 3, 0.01, 0.1)
    assert shown(optimizer=optimizer, scheduler={"type": "ExponentialLR", "gamma": 0.5}, epochs=3) == expected
    one = {"type": "LambdaLR", "lr_lambda": ["1 / (1 + epoch)"]}  # a list for the group listed: nothing is left over
    assert shown(optimizer=optimizer, scheduler=one, epochs=2) == [[0.01, 0.005]]
    assert shown(optimizer=SGD, scheduler=None, epochs=2) == [[0.1, 0.1]]


REFUSED: list[tuple[Any, str]] = [
    (None, "/optimizer"),
    ({"optimizer": SGD, "epochs": 0}, "/epochs"),
    ({"optimizer": SGD, "epochs": 3, "more": 1}, "/more"),
    ({"optimizer": {"type": "Sdg", "lr": 1}, "epochs": 3}, "/optimizer/type"),
    ({"optimizer": SGD, "epochs": 3, "scheduler": {"type": "ReduceLROnPlateau"}}, "/scheduler/type"),
    ({"optimizer": SGD, "epochs": 3, "scheduler": {"type": "LambdaLR", "lr_lambda": "1 / epoch"}},
     "/scheduler/lr_lambda"),
    ({"optimizer": SGD, "epochs": 3, "scheduler": {"type": "LambdaLR", "lr_lambda": ["1", "1"]}},
     "/scheduler/lr_lambda"),
    ({"optimizer": SGD, "epochs": 9, "scheduler": {"type": "OneCycleLR", "max_lr": 1, "total_steps": 5}},
     "/scheduler/total_steps"),
    ({"optimizer": SGD, "epochs": MAX_POINTS + 1}, "/epochs"),
    ({"optimizer": SGD, "epochs": 1000, "steps_per_epoch": 10**9,
      "scheduler": {"type": "ExponentialLR", "gamma": 1, "interval": "step"}}, "/epochs"),
]  # fmt: skip


@pytest.mark.parametrize(("question", "pointer"), REFUSED)
def test_a_question_that_makes_no_sense_is_refused_with_its_place(question: Any, pointer: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_schedule(question)
    assert caught.value.errors[0]["pointer"] == pointer


BOWL = {"type": "Function", "expression": "x ** 2 + 10 * y ** 2", "initial": {"x": 2.0, "y": -1.0}}


def path_of(optimizer: dict[str, Any], steps: int, model: dict[str, Any] = BOWL) -> Any:
    found = answer(
        "trajectory", {"resolved_spec": read_trajectory({"model": model, "optimizer": optimizer, "steps": steps})}
    )
    assert "result" in found, found
    return found["result"]["path"]


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "LBFGS"])
def test_a_trajectory_is_torchs(name: str) -> None:
    x, y = (nn.Parameter(torch.tensor(value)) for value in (2.0, -1.0))
    kernel = {"fused": True} if name in ("SGD", "Adam") else {}  # as a job on the CPU has it
    optimizer: Any = getattr(torch.optim, name)([x, y], lr=0.02, **kernel)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value: torch.Tensor = x**2 + 10 * y**2
        value.backward()
        return value

    for point in path_of({"type": name, "lr": 0.02}, 20):
        value = loss()
        assert point["parameters"] == {"x": x.item(), "y": y.item()}, point["step"]
        assert point["gradients"] == {"x": x.grad.item(), "y": y.grad.item()}
        assert point["loss"] == value.item()
        optimizer.step(loss)


def test_a_way_into_infinity_is_told_in_words() -> None:
    path = path_of({"type": "SGD", "lr": 10.0}, 60)
    assert path[-1]["loss"] in ("Infinity", "NaN")
    assert math.isfinite(path[1]["loss"])


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"steps": MAX_STEPS + 1}, "/steps"),
        ({"model": {"type": "MLP", "hidden": [3]}}, "/model/type"),
        ({"model": {**BOWL, "expression": "x + q"}}, "/model/expression"),
        ({"optimizer": {"type": "SGD", "lr": -1}}, "/optimizer/lr"),
    ],
)
def test_a_trajectory_that_makes_no_sense_is_refused(change: dict[str, Any], pointer: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_trajectory({"model": BOWL, "optimizer": SGD, "steps": 5} | change)
    assert caught.value.errors[0]["pointer"] == pointer


def test_chained_schedulers_count_and_those_of_a_sequence_do_not() -> None:
    hundred = [{"type": "StepLR", "step_size": 1}] * 100
    for kind, milestones in (("ChainedScheduler", {}), ("SequentialLR", {"milestones": list(range(1, 100))})):
        scheduler = {"type": kind, "schedulers": hundred, **milestones}
        question = {"optimizer": SGD, "scheduler": scheduler, "epochs": 6000}
        if kind == "SequentialLR":
            read_schedule(question)
        else:
            with pytest.raises(SpecError, match="600000 numbers") as refused:
                read_schedule(question)
            assert refused.value.errors[0]["pointer"] == "/epochs"
