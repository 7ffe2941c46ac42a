"""Each feature of the training section: it runs, does what it says in numbers, and resumes to the bit."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from worker.training.trainer import Trainer

from .conftest import Result, Train
from .test_resume import same

Config = dict[str, Any]
Interrupted = Callable[[Config, int], Result]

IMAGES = {"synthetic": {"task": "classification", "samples": 60, "shape": [1, 8, 8], "classes": 3}}
TEXT = {"synthetic": {"task": "tokens", "samples": 60, "shape": [12], "classes": 9}}
LAYERS = ["0.weight", "0.bias", "1.weight", "1.bias", "4.weight", "4.bias"]


def phases(config: Config) -> None:
    config["phases"] = [
        {"epochs": 2, "optimizer": {"type": "Adam", "lr": 0.01}, "freeze": LAYERS[:4]},
        {"epochs": 1, "scheduler": {"type": "StepLR", "step_size": 1}, "freeze": ["0.weight"]},
        {"epochs": 1, "freeze": []},
        {"epochs": 2, "optimizer": {"type": "SGD", "lr": 0.05, "momentum": 0.9},
         "scheduler": {"type": "ExponentialLR", "gamma": 0.5}},
    ]  # fmt: skip


def images(config: Config, *augment: Config) -> None:
    config["data"] = {"synthetic": {**IMAGES["synthetic"], "split": {"train": 45, "validation": 15}}}
    config["model"] = {
        "type": "CNN", "channels": [4], "in_channels": 1, "in_features": 64, "out_features": 3, "hidden": [8],
        "dropout": 0.1, "norm": "BatchNorm2d",
    }  # fmt: skip
    config["augment"] = list(augment)


def text(config: Config, model: Config) -> None:
    config["data"] = {"synthetic": {**TEXT["synthetic"], "split": {"train": 45, "validation": 15}}}
    config["model"] = model


def gpt(config: Config) -> None:
    text(
        config,
        {"type": "GPT", "vocab_size": 9, "block_size": 12, "n_layer": 1, "n_head": 2, "n_embd": 8, "dropout": 0.1},
    )
    config["metrics"] = [{"type": "accuracy"}, {"type": "perplexity"}]


def narrow_lstm(config: Config) -> None:
    """oneDNN has an LSTM in float16 for few processors."""
    config["model"]["layers"][:4] = [
        {"type": "Reshape", "shape": [2, 2]},
        {"type": "LSTM", "input_size": 2, "hidden_size": 8, "num_layers": 2, "dropout": 0.1, "batch_first": True},
        {"type": "LastStep"},
    ]
    config["training"]["precision"] = "float16"


def narrow_rrelu(config: Config) -> None:
    """The CPU has no RReLU in float16."""
    config["model"]["layers"].insert(1, {"type": "RReLU"})
    config["training"]["precision"] = "float16"


def training(**settings: Any) -> Callable[[Config], None]:
    def change(config: Config) -> None:
        config["training"] |= settings

    return change


def metrics(config: Config) -> None:
    config["metrics"] = [
        {"type": kind}
        for kind in ("accuracy", "top_k_accuracy", "precision", "recall", "f1", "auroc", "confusion_matrix")
    ]
    config["metrics"][1]["k"] = 2


def regression(config: Config) -> None:
    config["data"] = {
        "synthetic": {"task": "regression", "samples": 60, "shape": [4], "split": {"train": 45, "validation": 15}}
    }
    config["model"]["layers"][-1]["out_features"] = 1
    config["loss"] = {"type": "HuberLoss"}
    config["metrics"] = [{"type": "mae"}, {"type": "rmse"}, {"type": "r2"}]


def function(config: Config) -> None:
    config |= {"data": None, "loss": None, "metrics": [], "training": {"batch_size": 1}}
    config["model"] = {"type": "Function", "expression": ["*", 4.0, ["**", "x", 2.0]], "initial": {"x": 2.0}}
    config["phases"] = [{"epochs": 12, "optimizer": {"type": "SGD", "lr": 0.01, "momentum": 0.9}}]


def rollback(config: Config) -> None:
    config["model"]["layers"] = [{"type": "Linear", "in_features": 4, "out_features": 1}]
    config["data"] = {"synthetic": {"task": "regression", "samples": 60, "shape": [4], "split": {"train": 45}}}
    config["loss"], config["metrics"] = {"type": "MSELoss"}, []
    config["phases"] = [
        {"epochs": 40, "optimizer": {"type": "SGD", "lr": 8.0}, "scheduler": {"type": "StepLR", "step_size": 30}}
    ]
    config["training"] |= {"on_divergence": {"type": "rollback", "lr_factor": 0.1, "max_times": 3}}


CHANGES: dict[str, Callable[[Config], None]] = {
    "phases": phases,
    "crop": lambda c: images(
        c, {"type": "RandomCrop", "size": [8, 8], "padding": 1}, {"type": "RandomRotation", "degrees": 10}
    ),
    "flip": lambda c: images(c, {"type": "RandomHorizontalFlip"}, {"type": "GaussianNoise", "std": 0.1}),
    "mixup": lambda c: images(c, {"type": "MixUp", "alpha": 0.4}),
    "cutmix": lambda c: images(c, {"type": "CutMix"}),
    "gpt": gpt,
    "accumulate": training(accumulate_steps=4, clip={"type": "norm", "max_norm": 0.5}),
    "clip value": training(clip={"type": "value", "clip_value": 0.01}, l1=0.001),
    "ema": training(ema_decay=0.9),
    "bfloat16": training(precision="bfloat16"),
    "float16": training(precision="float16"),
    "float16 LSTM": narrow_lstm,
    "float16 RReLU": narrow_rrelu,
    "no shuffle": training(shuffle=False, drop_last=True),
    "telemetry": training(telemetry=["groups"]),
    "steps": training(log_every_steps=4, validate_every_steps=6),
    "early stopping": training(
        early_stopping={"monitor": "train_loss", "mode": "min", "patience": 1, "min_delta": 10.0}
    ),
    "metrics": metrics,
    "regression": regression,
    "function": function,
    "rollback": rollback,
}  # fmt: skip


@pytest.mark.parametrize("step", [3, 10])
@pytest.mark.parametrize("feature", CHANGES)
def test_resumes_to_the_bit(config: Config, train: Train, interrupted: Interrupted, feature: str, step: int) -> None:
    CHANGES[feature](config)
    whole = train(config)
    assert whole.end["outcome"] == "succeeded", whole.end
    if feature == "early stopping":
        assert whole.end["stopped"] == {"reason": "early_stopping", "epoch": 2}
        step = 3
    resumed = interrupted({**config, "run": {**config["run"], "directory": config["run"]["directory"] + "-2"}}, step)
    assert resumed.rows == whole.rows
    same(resumed, whole)
    paths = ("test", "checkpoint_path")
    for end in (whole.end, resumed.end):
        (end["test"] or {}).pop(paths[1], None)
    assert resumed.end == whole.end


def test_phases_freeze_thaw_and_change_the_optimizer(config: Config, train: Train) -> None:
    phases(config)
    result = train(config)
    assert [row["phase"] for row in result.rows] == [0, 0, 1, 2, 3, 3]
    assert [row["learning_rates"] for row in result.rows] == [
        [0.01], [0.01], [0.01, 0.01], [0.001, 0.001, 0.01], [0.05], [0.025],
    ]  # fmt: skip


def test_a_function_reports_its_values_as_before_the_update(config: Config, train: Train) -> None:
    function(config)
    first = train(config).rows[0]
    assert (first["parameters"], first["gradients"], first["train_loss"]) == ({"x": 2.0}, {"x": 16.0}, 16.0)
    assert first["validation_loss"] is None


def test_divergence_fails_goes_on_or_rolls_back(config: Config, train: Train) -> None:
    rollback(config)
    rolled = train(config)
    events = [event for event in rolled.of("event") if event["event"] == "rolled_back"]
    assert [event["data"]["learning_rates"] for event in events] == [[0.8]]
    assert [row["epoch"] for row in rolled.of("epoch")] == [1, 2, 3, 4, 5, *range(2, 41)]
    assert [row["learning_rates"] for row in rolled.rows[:3]] == [[8.0], [0.8], [0.8]]
    config["training"]["on_divergence"] = "fail"
    failed = train(config)
    assert failed.end["outcome"] == "failed"
    assert failed.end["error"]["code"] == "diverged"
    assert all(math.isfinite(row["train_loss"]) for row in failed.rows)
    config["training"]["on_divergence"] = "continue"
    gone_on = train(config)
    assert gone_on.end["outcome"] == "succeeded"
    assert math.isnan(gone_on.rows[-1]["train_loss"])


def test_a_kill_right_after_a_rollback_goes_on_from_it(config: Config, train: Train) -> None:
    rollback(config)
    whole = train(config)
    kinds = [report["type"] for report in whole.reports]
    back = next(place for place, report in enumerate(whole.reports) if report.get("event") == "rolled_back")
    saved = whole.reports[back + 1 + kinds[back + 1 :].index("checkpoint")]
    assert (saved["epoch"], saved["step"]) == (1, whole.reports[back]["data"]["back_to"]["step"])
    resumed = train(config, attempt=2, resume={"path": saved["path"], "sha256": saved["sha256"]})
    assert resumed.rows == whole.rows[1:]
    assert not [report for report in resumed.reports if report.get("event") == "rolled_back"]
    same(resumed, whole)


def test_the_best_epoch_of_before_a_rollback_lies_in_the_file_that_stays(config: Config, train: Train) -> None:
    """The one that is written then takes the place of the epoch's own, which the service may remove."""
    rollback(config)
    config["data"]["synthetic"]["split"] |= {"validation": 8, "test": 7}
    config["checkpoint"] |= {"keep_best": {"monitor": "train_loss", "mode": "min"}, "every_epochs": 1}
    config["training"]["on_divergence"]["lr_factor"] = 0.0  # what comes after is no better
    ran = train(config)
    [back] = [place for place, report in enumerate(ran.reports) if report.get("event") == "rolled_back"]
    assert ran.reports[back]["data"]["best"] == ran.end["best"]
    assert (ran.end["best"]["epoch"], ran.end["best"]["value"]) == (1, ran.rows[0]["train_loss"])
    first, again = [saved for saved in ran.of("checkpoint") if saved["epoch"] == 1]
    assert ran.reports.index(first) < back < ran.reports.index(again)
    assert ran.end["test"]["checkpoint_path"] == again["path"] != first["path"]


def test_the_time_before_a_rollback_counts(config: Config, train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    at_boundary, updates = Trainer.at_boundary, []

    def slow(self: Trainer) -> None:
        self.progress.seconds += 1000.0
        updates.append(self.progress.step)
        at_boundary(self)

    monkeypatch.setattr(Trainer, "at_boundary", slow)
    rollback(config)
    config["training"]["max_seconds"] = 40_000.0
    ran = train(config)
    assert ran.end["stopped"]["reason"] == "max_seconds"
    assert "rolled_back" in [event["event"] for event in ran.of("event")]
    assert len(updates) == 40


def test_a_phase_that_diverges_at_once_comes_again_with_smaller_rates(
    config: Config, train: Train, interrupted: Interrupted
) -> None:
    rollback(config)
    config["training"]["log_every_steps"] = 1  # each update is looked at: the first epoch of the phase ends early
    config["phases"] = [
        {"epochs": 2, "optimizer": {"type": "SGD", "lr": 0.01}},
        {"epochs": 4, "optimizer": {"type": "SGD", "lr": 1e30}, "scheduler": {"type": "ConstantLR", "factor": 1.0}},
    ]
    config["training"]["on_divergence"] = {"type": "rollback", "lr_factor": 1e-16, "max_times": 2}
    whole = train(config)
    assert whole.end["outcome"] == "succeeded", whole.end
    events = [event for event in whole.of("event") if event["event"] == "rolled_back"]
    assert [(e["data"]["phase"], e["data"]["factor"]) for e in events] == [(1, 1e-16), (1, 1e-16 * 1e-16)]
    assert "phase 1 will begin with 1e-16 times its own" in events[0]["message"]
    assert [row["learning_rates"][0] for row in whole.rows] == pytest.approx([0.01] * 2 + [1e-2] * 4)
    again = {**config, "run": {**config["run"], "directory": config["run"]["directory"] + "-2"}}
    for step in (5, 7, 11):
        resumed = interrupted(
            {**again, "run": {**again["run"], "directory": f"{config['run']['directory']}-{step}"}}, step
        )
        assert resumed.rows == whole.rows
        same(resumed, whole)


def test_a_pause_between_a_lost_loss_and_its_discovery_goes_back_as_well(
    config: Config, train: Train, interrupted: Interrupted
) -> None:
    """The losses of an epoch wait on the device: the checkpoint of the pause is the first to look at them."""
    rollback(config)
    whole = train(config)
    for step in range(17, 25):
        config["run"]["directory"] += "x"
        resumed = interrupted(config, step)
        assert resumed.rows == whole.rows
        same(resumed, whole)


def test_what_a_rollback_remembers_grows_with_no_resume(config: Config, train: Train) -> None:
    """Paused again and again inside an epoch, where nothing new is remembered."""
    rollback(config)
    sizes, resume = [], None
    for attempt in (1, 2, 3):
        paused = train(config, stop_at_step=1, attempt=attempt, resume=resume)
        saved = paused.of("checkpoint")[-1]
        resume = {"path": saved["path"], "sha256": saved["sha256"]}
        sizes.append(len(load_file(paused.directory / saved["path"])))
    assert sizes[1:] == sizes[:-1]


@pytest.mark.parametrize(
    ("optimizer", "scheduler", "words"),
    [
        ({"type": "SGD", "lr": 0.1}, {"type": "ExponentialLR", "gamma": 1e60}, "rates [1e+59]"),
        ({"type": "Adam", "lr": 1e300}, None, "no update after step 0 in epoch 1"),
        ({"type": "ASGD", "lr": 1, "lambd": -0.2}, None, "division by zero"),
    ],
)
def test_a_number_that_torch_has_no_room_for_is_the_jobs_own_fault(
    config: Config, train: Train, optimizer: Config, scheduler: Config | None, words: str
) -> None:
    config["phases"][0] |= {"optimizer": optimizer, "scheduler": scheduler}
    error = train(config).end["error"]
    assert error["code"] == "diverged"
    assert words in error["message"]


def test_each_cut_of_the_plateau_is_an_event(config: Config, train: Train) -> None:
    config["phases"][0]["scheduler"] = {
        "type": "ReduceLROnPlateau",
        "patience": 0,
        "threshold": 10.0,
        "threshold_mode": "abs",
        "monitor": "train_loss",
    }
    result = train(config)
    cuts = [event["data"] for event in result.of("event") if event["event"] == "learning_rate_reduced"]
    assert [cut["epoch"] for cut in cuts] == [2, 3, 4]
    assert (cuts[0]["from"], cuts[0]["to"]) == ([0.1], [pytest.approx(0.01)])


def test_a_range_test_suggests_a_rate(config: Config, train: Train) -> None:
    config["phases"] = [
        {"epochs": 30, "optimizer": {"type": "SGD", "lr": 0.1},
         "scheduler": {"type": "RangeTest", "min_lr": 1e-4, "max_lr": 1e4, "interval": "step"}}
    ]  # fmt: skip
    result = train(config)
    assert result.end["outcome"] == "succeeded"
    assert result.end["stopped"]["reason"] == "range_test"
    event = next(event for event in result.of("event") if event["event"] == "range_test")
    assert 1e-3 < event["data"]["suggested_learning_rate"] < 100


def test_a_range_test_is_one_of_its_phase_alone(config: Config, train: Train, interrupted: Interrupted) -> None:
    """The first phase's loss goes up and down as it likes; paused where the test ends, the epoch still has its row."""
    config["phases"] = [
        {"epochs": 2, "optimizer": {"type": "SGD", "lr": 30.0}},
        {"epochs": 12, "optimizer": {"type": "SGD", "lr": 0.1},
         "scheduler": {"type": "RangeTest", "min_lr": 1e-4, "max_lr": 1e4, "interval": "step"}},
    ]  # fmt: skip
    config["training"] |= {"batch_size": 90, "log_every_steps": 1, "validate_every_steps": 2}
    whole = train(config)
    assert whole.end["stopped"]["reason"] == "range_test"
    ended = whole.end["stopped"]["epoch"]
    assert 4 < ended < 14
    assert [row["epoch"] for row in whole.rows] == list(range(1, ended + 1))
    for step in range(2, 40):  # requests are looked at in evaluations too
        apart = {**config["run"], "directory": f"{config['run']['directory']}-{step}"}
        if train({**config, "run": apart}, stop_at_step=step).end["outcome"] == "succeeded":
            break
        resumed = interrupted({**config, "run": {**apart, "directory": apart["directory"] + "-again"}}, step)
        assert resumed.rows == whole.rows
        same(resumed, whole)
    assert step > 2 * ended


def test_the_test_part_is_judged_by_the_best_weights(config: Config, train: Train) -> None:
    config["phases"][0] |= {"epochs": 12, "optimizer": {"type": "SGD", "lr": 3.0}}
    config["checkpoint"] = {"every_epochs": 5, "keep_best": {"monitor": "validation_loss", "mode": "min"}}
    result = train(config)
    best = min(result.rows, key=lambda row: row["validation_loss"])
    assert result.end["best"]["epoch"] == best["epoch"]
    file = next(c["path"] for c in result.of("checkpoint") if c["epoch"] == best["epoch"] and c["is_best"])
    assert result.end["test"]["checkpoint_path"] == file


def test_a_rule_without_a_value_says_where(config: Config, train: Train) -> None:
    update = [["rate", ["/", "lr", ["-", "step", 3.0]]], ["param", ["-", "param", ["*", "rate", "grad"]]]]
    config["phases"][0]["optimizer"] = {"type": "UpdateRule", "lr": 0.1, "update": update}
    error = train(config).end["error"]
    assert (error["code"], error["detail"]["errors"][0]["pointer"]) == ("invalid_spec", "/optimizer/update/0")
    assert "at step 3: float division by zero" in error["message"]


def test_labels_are_rows_of_classes(config: Config, train: Train, tmp_path: Path) -> None:
    inputs, rows = torch.tensor([[1.0], [2.0]]), torch.tensor([[2.0, 0.0, -1.0], [1.0, -1.0, 7.0]])

    def run(targets: torch.Tensor) -> Result:
        save_file({"train.inputs": inputs, "train.targets": targets}, tmp_path / "labels")
        return train(config)

    config |= {"data": {"file": str(tmp_path / "labels")}, "loss": {"type": "MultiLabelMarginLoss"}, "metrics": []}
    config["model"] = {"type": "Sequential", "layers": [{"type": "Linear", "in_features": 1, "out_features": 3}]}
    refused = run(rows)
    assert refused.end["error"]["detail"]["errors"][0]["pointer"] == "/loss/type"
    rows[1, 2] = 2  # behind a -1 it means nothing
    torch.manual_seed(config["seed"])
    model = torch.nn.Linear(1, 3)
    loss = torch.nn.MultiLabelMarginLoss()(model(inputs), rows.long())
    assert run(rows).rows[0]["train_loss"] == pytest.approx(loss.item(), rel=1e-6)


@pytest.mark.parametrize(("weights", "loss"), [([3.0, 1.0], (3 * 1 + 1 * 4) / 4), ([0.0, 0.0], 0.0)])
def test_sample_weights_make_a_weighted_mean(
    config: Config, train: Train, tmp_path: Path, weights: list[float], loss: float
) -> None:
    inputs, targets = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [0.0]])
    save_file(
        {"train.inputs": inputs, "train.targets": targets, "train.weights": torch.tensor(weights)}, tmp_path / "w"
    )
    config |= {"data": {"file": str(tmp_path / "w")}, "loss": {"type": "MSELoss"}, "metrics": []}
    config["model"] = {
        "type": "Sequential", "layers": [{"type": "Linear", "in_features": 1, "out_features": 1, "bias": False}],
        "initialization": [{"params": ["0.weight"], "type": "constant_", "val": 1.0}],
    }  # fmt: skip
    assert train(config).rows[0]["train_loss"] == loss


def test_sparse_adam_trains_a_bag_of_embeddings(
    config: Config, train: Train, interrupted: Interrupted, tmp_path: Path
) -> None:
    generator = torch.Generator().manual_seed(0)
    tokens, targets = torch.randint(1, 9, (40, 6), generator=generator), torch.randint(2, (40,), generator=generator)
    save_file({"train.inputs": tokens, "train.targets": targets}, tmp_path / "t")
    bag = {"type": "EmbeddingBag", "num_embeddings": 9, "embedding_dim": 2, "mode": "mean", "sparse": True}
    config |= {"data": {"file": str(tmp_path / "t")}, "model": {"type": "Sequential", "layers": [bag]}}
    config["phases"][0]["optimizer"] = {"type": "SparseAdam", "lr": 0.01}
    config["training"]["clip"] = {"type": "norm", "max_norm": 0.1}
    whole = train(config)
    assert whole.rows[-1]["train_loss"] < whole.rows[0]["train_loss"]
    again = interrupted({**config, "run": {**config["run"], "directory": str(tmp_path / "again")}}, 5)
    assert again.rows == whole.rows
    same(again, whole)


def test_lengths_and_buckets_reach_the_lstm(
    config: Config, train: Train, interrupted: Interrupted, tmp_path: Path
) -> None:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(1, 9, (70,), generator=generator)
    tokens = torch.randint(1, 20, (70, 8), generator=generator) * (torch.arange(8) < lengths[:, None])
    tensors = {"train.inputs": tokens, "train.lengths": lengths, "train.targets": (tokens[:, 0] > 9).long()}
    save_file(tensors, tmp_path / "t")
    config |= {"data": {"file": str(tmp_path / "t")}, "loss": {"type": "BCEWithLogitsLoss"}}
    config["model"] = {
        "type": "LSTMClassifier", "num_embeddings": 20, "embedding_dim": 4, "hidden_size": 5, "num_layers": 2,
        "bidirectional": True, "dropout": 0.1, "out_features": 1, "bucket": True,
    }  # fmt: skip
    config["phases"][0] |= {"epochs": 6, "optimizer": {"type": "Adam", "lr": 0.05}}
    whole = train(config)
    assert whole.rows[-1]["metrics"]["train_accuracy"] > 0.7
    again = interrupted({**config, "run": {**config["run"], "directory": str(tmp_path / "again")}}, 8)
    assert again.rows == whole.rows
    same(again, whole)


def test_probabilities_that_are_none(config: Config, train: Train) -> None:
    """torch stops at them, and at NaN: the one is the spec's fault, the other a training that has diverged."""
    config["data"]["file"] = _of_two_classes(config["data"]["file"])
    config["loss"], config["metrics"] = {"type": "BCELoss"}, []
    config["model"]["layers"][-1]["out_features"] = 1
    config["model"]["layers"].append({"type": "Softplus"})
    end = train(config).end
    error = end["error"]
    assert (error["code"], error["detail"]["errors"][0]["pointer"]) == ("invalid_spec", "/loss/type")
    assert "let it end in Sigmoid" in error["message"]
    config["model"]["layers"][-1] = {"type": "Sigmoid"}
    assert train(config).end["outcome"] == "succeeded"
    config["phases"][0]["optimizer"] = {"type": "SGD", "lr": 1e30, "momentum": 0.9, "weight_decay": 1.0}
    assert train(config).end["error"]["code"] == "diverged"


def _of_two_classes(file: str) -> str:
    tensors = {key: (t > 0).float() if key.endswith("targets") else t for key, t in load_file(file).items()}
    save_file(tensors, f"{file}-2")
    return f"{file}-2"
