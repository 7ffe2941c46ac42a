# ruff: noqa: E501 (a job is a line)
"""Runs that did not begin at the beginning or not end at the end: forked, resumed, stopped, from given weights."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import save_file

from app.datasets.stored import Known
from tests.export.conftest import CLOCK, Ran, alone, run, words
from tests.export.jobs import BUCKETS, IRIS, JOBS, LINE, PHASES, RULE, TOKENS, Document, changed
from tests.export.odd_jobs import BACK, ODD_JOBS, TELL, WILD
from tests.export.test_scripts import check, exported
from tests.export.uploads import TOKENIZE, WORDS, document, texts
from tests.worker.datasets.test_uploaded import stored
from worker.export.fork import start_of
from worker.training.config import Config
from worker.weights import StoredWeights

ADAM = {"type": "Adam", "lr": 0.01}
SPARSE = {"type": "Sequential", "layers": [{"type": "Embedding", "embedding_dim": 12, "sparse": True}]}
FORKS: dict[str, tuple[Document, Document]] = {
    "adam-goes-on": (changed(IRIS, optimizer=ADAM, scheduler={"type": "MultiStepLR", "milestones": [2, 7]}), {"seed": 8}),
    "another-head": (
        changed(IRIS, optimizer={**ADAM, "amsgrad": True}, training__ema_decay=0.8),
        {"model": {"type": "MLP", "hidden": [16], "norm": "BatchNorm1d", "activation": "Tanh", "out_features": 5},
         "loss": {"type": "CrossEntropyLoss"}},
    ),
    "other-groups-of-nadam": (
        changed(IRIS, optimizer={"type": "NAdam", "lr": 0.01}),
        {"optimizer": {"type": "NAdam", "lr": 0.02, "groups": [{"params": ".*bias", "lr": 0.1}]}},
    ),
    "lbfgs": (changed(LINE, optimizer={"type": "LBFGS", "lr": 0.2, "max_iter": 3}), {"training": {"epochs": 2, "batch_size": 16}}),
    "lbfgs-strong-wolfe": (changed(LINE, optimizer={"type": "LBFGS", "line_search_fn": "strong_wolfe"}), {}),
    "update-rule-average": (changed(IRIS, optimizer=RULE, training__ema_decay=0.7), {"training": {**TELL, "ema_decay": 0.7}}),
    "float16-cyclic": (
        changed(IRIS, optimizer={"type": "SGD", "lr": 0.01, "momentum": 0.9}, training__precision="float16",
                scheduler={"type": "CyclicLR", "base_lr": 0.001, "max_lr": 0.02, "step_size_up": 4, "interval": "step"}),
        {"data": {**IRIS["data"], "preprocess": []}},
    ),
    "into-phases": (
        changed(IRIS, optimizer=ADAM, training__epochs=2),
        {"optimizer": None, "scheduler": None, "training": {"batch_size": 16}, "phases": PHASES},
    ),
    "sequence": (ODD_JOBS["sequence-of-chains"], {"training": {"epochs": 3, "batch_size": 16}}),
    "then-back": (
        changed(WILD, optimizer={"type": "SGD", "lr": 0.01, "momentum": 0.9}),
        {"optimizer": {"type": "SGD", "lr": 8.0, "momentum": 0.9}, "training": {"epochs": 9, "batch_size": 5, "on_divergence": BACK}},
    ),
    "plateau-asgd": (
        changed(IRIS, optimizer={"type": "ASGD", "lr": 0.05, "t0": 5.0}, scheduler={"type": "ReduceLROnPlateau", "patience": 0, "threshold": 0.5}),
        {"training": {"epochs": 4, "batch_size": 16, "log_every_steps": 3}},
    ),
    "sparse-momentum": (
        changed(TOKENS, model=SPARSE, optimizer={"type": "SGD", "lr": 0.5, "momentum": 0.9}),
        {"training": {"epochs": 2, "batch_size": 8, "clip": {"type": "value", "clip_value": 0.01}}},
    ),
    "gpt": (changed(TOKENS, model={"type": "GPT", "n_layer": 1, "n_head": 2, "n_embd": 16}), {"seed": 2}),
}  # fmt: skip
QUICK = ("adam-goes-on", "another-head", "lbfgs", "then-back")


def forked(first: Document, patch: Document, folder: Path) -> tuple[Ran, Ran]:
    parent = run(first, folder / "parent")
    merged = {key: value for key, value in (first | patch).items() if value is not None}
    return parent, run(merged, folder / "fork", origin=parent)


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in FORKS])
def test_a_fork_starts_from_a_file_beside_its_script(name: str, tmp_path: Path) -> None:
    parent, ran = forked(*FORKS[name], tmp_path)
    assert "forked" in ran.events
    assert name != "then-back" or "rolled_back" in ran.events
    steps = ran.resolution.work.steps_per_epoch
    start = start_of(Config.parse(ran.config), steps, parent.checkpoint, None, tmp_path)
    check(ran, tmp_path / "alone", start=start)


def test_a_fork_of_a_resumed_fork(tmp_path: Path) -> None:
    _, second = forked(changed(IRIS, optimizer=ADAM), {"seed": 9}, tmp_path)
    third = run(second.resolved | {"seed": 10}, tmp_path / "third", origin=second, stops=(2,))
    start = start_of(
        Config.parse(third.config), third.resolution.work.steps_per_epoch, second.checkpoint, None, tmp_path
    )
    check(third, tmp_path / "alone", start=start)


@pytest.mark.parametrize("name", ["classes-all-metrics", "rollback-logged-keep-best"])
def test_a_run_that_was_interrupted_is_none_other(name: str, tmp_path: Path) -> None:
    ran = run(ODD_JOBS[name], tmp_path, stops=(1, 3))
    check(ran, tmp_path / "alone")


def test_where_the_clock_ended_a_run_its_script_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside an epoch, which has no row then."""
    from worker.training.trainer import Trainer

    at_boundary = Trainer.at_boundary

    def slow(self: Trainer) -> None:
        self.progress.seconds += 1.0
        at_boundary(self)

    monkeypatch.setattr(Trainer, "at_boundary", slow)
    ran = run(changed(IRIS, training__max_seconds=17.0, training__log_every_steps=4), tmp_path)
    assert ran.end["stopped"] == {"reason": "max_seconds", "epoch": 3}
    assert len(ran.rows) == 2
    check(ran, tmp_path / "alone", last_step=int(ran.checkpoint.name.split("-s")[1][:8]))


def test_a_run_that_was_cancelled_ends_with_its_rows(tmp_path: Path) -> None:
    """On the schedule of the whole run, and without what only a last row has."""
    ran = run(changed(JOBS["warmup-cosine"], metrics=["accuracy", "confusion_matrix"]), tmp_path)
    script = exported(ran, tmp_path / "alone", last_epoch=3)
    assert "trains the epochs that it has rows of, 3 of 5." in script
    rows = [json.loads(line) for line in alone(tmp_path / "alone", "train.py").splitlines()]
    assert rows == ran.rows[:3]
    assert "train_confusion_matrix" not in rows[-1]["metrics"]


@pytest.mark.parametrize("rollbacks", [0, 1])
def test_a_run_that_was_cancelled_after_it_had_gone_back(rollbacks: int, tmp_path: Path) -> None:
    """An epoch that was trained twice is the last one only when it comes for the last time."""
    ran = run(changed(WILD, training__on_divergence=BACK, training__log_every_steps=3, training__epochs=12), tmp_path)
    told = [report for report in ran.reports if report["type"] in ("epoch", "event")]
    [back] = [place for place, report in enumerate(told) if report.get("event") == "rolled_back"]
    epoch = told[back]["data"]["back_to"]["epoch"]
    assert epoch + 2 <= told[back]["data"]["epoch"]
    for last in (epoch, epoch + 1):
        folder = tmp_path / f"alone-{last}"
        exported(ran, folder, last_epoch=last, rollbacks=rollbacks)
        rows = [json.loads(line) for line in alone(folder, "train.py").splitlines()]
        first = [
            words({k: v for k, v in row.items() if k not in {*CLOCK, "step"}})
            for row in told[:back]
            if row["type"] == "epoch"
        ]
        assert rows == (ran.rows if rollbacks else first)[:last]


def test_weights_of_another_model_under_new_names(tmp_path: Path) -> None:
    source = {f"body.{name}": tensor.half() for name, tensor in run(IRIS, tmp_path / "source").weights.items()}
    save_file(source, tmp_path / "initial.safetensors")
    named = {"upload": "wts_x", "params": "(1|5)\\..*", "rename": [["body\\.(.*)", "\\1"]]}
    model = {**IRIS["model"], "initial_weights": named, "initialization": [{"params": ".*bias", "type": "ones_"}]}
    found = StoredWeights.read(str(tmp_path / "initial.safetensors"))
    ran = run(changed(IRIS, model=model), tmp_path, weights_of=lambda _: found)
    assert ran.config["model"]["initial_weights"]["names"]["5.bias"] == "body.5.bias"
    check(ran, tmp_path / "alone")


def test_word_vectors(tmp_path: Path) -> None:
    vectors = "".join(
        f"{word} " + " ".join(str(i / 7 + j) for j in range(5)) + "\n" for i, word in enumerate(WORDS[:4])
    )
    known = Known({
        "ds_x": {"train": stored(tmp_path, "jsonl", None, file=texts())},
        "ds_v": {"train": replace(stored(tmp_path, "vectors", None, file=vectors), reference="ds_v")},
    })  # fmt: skip
    model = {**BUCKETS, "vectors": "ds_v"}
    del model["embedding_dim"]
    ran = run(document(model, ADAM, preprocess=TOKENIZE), tmp_path, known)
    check(ran, tmp_path / "alone")
