"""Rows equal those of a dozen lines of plain PyTorch: losses to 1e-9 relative, learning rates exactly."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from .conftest import Train

Config = dict[str, Any]


def plain(config: Config, make: Callable[[Any], Any], schedule: Callable[[Any], Any], step_each: str) -> list[Config]:
    """The rows of the small classifier, by hand."""
    data, settings, seed = load_file(config["data"]["file"]), config["training"], config["seed"]
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 3))
    loss_function = nn.CrossEntropyLoss(label_smoothing=config["loss"].get("label_smoothing", 0.0))
    optimizer = make(model.parameters())
    scheduler = schedule(optimizer)
    x, y, rows = data["train.inputs"], data["train.targets"], []
    for epoch in range(1, 5):
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))
        rates, total, norm = [group["lr"] for group in optimizer.param_groups], 0.0, 0.0
        batches = list(order.split(settings["batch_size"]))
        count = settings.get("accumulate_steps", 1)
        for window in [batches[i : i + count] for i in range(0, len(batches), count)]:
            optimizer.zero_grad()
            for batch in window:
                loss = loss_function(model(x[batch]), y[batch])
                loss = loss + settings.get("l1", 0.0) * sum(p.abs().sum() for p in model.parameters())
                total += loss.item() * len(batch)
                (loss / len(window)).backward()
            clip = settings.get("clip") or {"max_norm": float("inf")}
            norm = nn.utils.clip_grad_norm_(model.parameters(), clip["max_norm"]).item()
            optimizer.step()
            if step_each == "step":
                scheduler.step()
        model.eval()
        with torch.no_grad():
            parts = zip(
                *(data[f"validation.{key}"].split(settings["batch_size"]) for key in ("inputs", "targets")), strict=True
            )
            validation = sum(loss_function(model(a), b).item() * len(b) for a, b in parts) / 20
        model.train()
        if step_each == "epoch":
            scheduler.step()
        rows.append(
            {
                "train_loss": total / len(x),
                "validation_loss": validation,
                "learning_rates": rates,
                "gradient_norm": norm,
            }
        )
    return rows


def no_schedule(optimizer: Any) -> Any:
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1.0)


JOBS: list[tuple[str, Config, Config | None, Config, Callable[[Any], Any], Callable[[Any], Any]]] = [
    (
        "sgd with momentum, StepLR",
        {"type": "SGD", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.001},
        {"type": "StepLR", "step_size": 2, "gamma": 0.3},
        {},
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.001),
        lambda o: torch.optim.lr_scheduler.StepLR(o, 2, 0.3),
    ),
    (
        "adam by formula, clipped, accumulated, l1",
        {"type": "Adam", "lr": 0.01, "betas": [0.8, 0.99]},
        {"type": "LambdaLR", "lr_lambda": ["**", 0.95, "epoch"]},
        {"accumulate_steps": 4, "clip": {"type": "norm", "max_norm": 0.3}, "l1": 0.001},
        lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.99)),
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda epoch: 0.95**epoch),
    ),
    (
        "adamw, OneCycleLR by step",
        {"type": "AdamW", "lr": 0.01},
        {"type": "OneCycleLR", "max_lr": 0.05, "total_steps": 24, "interval": "step"},
        {},
        lambda p: torch.optim.AdamW(p, lr=0.01),
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.05, 24),
    ),
    (
        "rprop, none",
        {"type": "Rprop", "lr": 0.001},
        None,
        {"batch_size": 90},
        lambda p: torch.optim.Rprop(p, lr=0.001),
        no_schedule,
    ),
    (
        "nadam, SequentialLR",
        {"type": "NAdam", "lr": 0.01},
        {
            "type": "SequentialLR",
            "milestones": [2],
            "schedulers": [
                {"type": "LinearLR", "start_factor": 0.1, "total_iters": 2},
                {"type": "ExponentialLR", "gamma": 0.5},
            ],
        },
        {},
        lambda p: torch.optim.NAdam(p, lr=0.01),
        lambda o: torch.optim.lr_scheduler.SequentialLR(
            o,
            [torch.optim.lr_scheduler.LinearLR(o, 0.1, total_iters=2), torch.optim.lr_scheduler.ExponentialLR(o, 0.5)],
            [2],
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "optimizer", "scheduler", "settings", "make", "schedule"), JOBS, ids=[j[0] for j in JOBS]
)
def test_rows_are_those_of_plain_pytorch(
    config: Config,
    train: Train,
    name: str,
    optimizer: Config,
    scheduler: Config | None,
    settings: Config,
    make: Callable[[Any], Any],
    schedule: Callable[[Any], Any],
) -> None:
    config["training"] |= settings
    config["loss"]["label_smoothing"] = 0.1
    config["phases"][0] |= {"optimizer": optimizer, "scheduler": scheduler}
    rows = train(config).rows
    interval = "epoch" if scheduler is None else scheduler.get("interval", "epoch")
    expected = plain(config, make, schedule, interval)
    for row, wanted in zip(rows, expected, strict=True):
        assert row["learning_rates"] == wanted["learning_rates"]
        assert row["train_loss"] == pytest.approx(wanted["train_loss"], rel=1e-9)
        assert row["validation_loss"] == pytest.approx(wanted["validation_loss"], rel=1e-9)
        assert row["gradient_norm"] == pytest.approx(wanted["gradient_norm"], rel=1e-6)


def _rule(update: list[Any], state: list[str], **hyperparameters: float) -> Config:
    return {"update": update, "state": dict.fromkeys(state, 0.0), "hyperparameters": hyperparameters}


def _mix(name: str, rate: str, new: Any) -> list[Any]:
    return [name, ["+", ["*", rate, name], ["*", ["-", 1.0, rate], new]]]


SQUARE = ["**", "grad", 2.0]
RULES: dict[str, tuple[Config, Callable[[Any], torch.optim.Optimizer]]] = {
    "SGD": (
        {"lr": 0.05, **_rule(
            [["v", ["+", ["*", "m", "v"], "grad"]], ["param", ["-", "param", ["*", "lr", "v"]]]], ["v"], m=0.9)},
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9),
    ),
    "Adagrad": (
        {"lr": 0.05, **_rule(
            [["s", ["+", "s", SQUARE]],
             ["param", ["-", "param", ["/", ["*", "lr", "grad"], ["+", ["sqrt", "s"], "eps"]]]]],
            ["s"], eps=1e-10)},
        lambda p: torch.optim.Adagrad(p, lr=0.05),
    ),
    "RMSprop": (
        # A shorter memory than torch's own 0.99 forgets the size of a gradient on its way through zero: then its last
        # bit decides the step, and torch itself ends 1e-3 elsewhere from a start that is 1e-15 elsewhere.
        {"lr": 0.003, **_rule(
            [_mix("s", "a", SQUARE),
             ["param", ["-", "param", ["/", ["*", "lr", "grad"], ["+", ["sqrt", "s"], "eps"]]]]],
            ["s"], a=0.99, eps=1e-8)},
        lambda p: torch.optim.RMSprop(p, lr=0.003, alpha=0.99),
    ),
    "Adadelta": (
        {"lr": 1.0, **_rule(
            [_mix("s", "rho", SQUARE),
             ["u", ["*", ["/", ["sqrt", ["+", "d", "eps"]], ["sqrt", ["+", "s", "eps"]]], "grad"]],
             ["param", ["-", "param", ["*", "lr", "u"]]],
             _mix("d", "rho", ["**", "u", 2.0])],
            ["s", "d"], rho=0.9, eps=1e-6)},
        lambda p: torch.optim.Adadelta(p, lr=1.0, rho=0.9, eps=1e-6),
    ),
    "Adam": (
        {"lr": 0.01, **_rule(
            [_mix("m", "b1", "grad"), _mix("v", "b2", SQUARE),
             ["mh", ["/", "m", ["-", 1.0, ["**", "b1", "step"]]]], ["vh", ["/", "v", ["-", 1.0, ["**", "b2", "step"]]]],
             ["param", ["-", "param", ["/", ["*", "lr", "mh"], ["+", ["sqrt", "vh"], "eps"]]]]],
            ["m", "v"], b1=0.9, b2=0.999, eps=1e-8)},
        lambda p: torch.optim.Adam(p, lr=0.01),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_a_written_out_rule_is_torchs_own(name: str) -> None:
    """200 steps of logistic regression in float64, to 1e-6."""
    from worker.training import optimizers

    settings, make = RULES[name]
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(50, 4, generator=generator, dtype=torch.float64)
    y = (x @ torch.tensor([1.0, -2.0, 0.5, 0.0], dtype=torch.float64) > 0).double()

    def fit(build: Callable[[nn.Parameter], torch.optim.Optimizer]) -> Tensor:
        weight = nn.Parameter(torch.zeros(4, dtype=torch.float64))
        optimizer = build(weight)
        for _ in range(200):
            optimizer.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(x @ weight, y).backward()
            optimizer.step()
        return weight.detach()

    own = fit(lambda weight: optimizers.build({"type": "UpdateRule", **settings}, {"w": weight}, [], seed=0))
    assert torch.allclose(own, fit(lambda weight: make([weight])), rtol=1e-6, atol=1e-6)
    assert own.abs().max() > 0.1
