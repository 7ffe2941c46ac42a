"""Specs nobody thought of: stopped anywhere and resumed they come out as if never stopped, bit for bit."""

import copy
import itertools
import json
import random
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from app.datasets.builtin import builtin_facts
from app.jobs.spec import SpecError, resolve, validate
from app.jobs.spec.optimizers import OPTIMIZERS
from app.jobs.spec.schedulers import SCHEDULERS
from tests import oracle
from tests.training.conftest import RequestAtStep
from tests.worker.random_specs import EPOCHS, Document, Draw
from worker import training
from worker.data import prepare
from worker.previews import answer
from worker.resolve import dry_run
from worker.translate import translate

CLOCK = {"duration_seconds", "samples_per_second", "finished_at"}
PAIRS = sorted(itertools.product(sorted(OPTIMIZERS), [*sorted(SCHEDULERS), ""]))
SOME = random.Random(5).sample(PAIRS, 16)


class Run:
    """A spec trained by the engine, perhaps in several attempts."""

    def __init__(self, config: Document, folder: Path) -> None:
        self.config = copy.deepcopy(config)
        self.config["run"]["directory"] = str(folder)
        self.folder = folder
        self.rows: dict[tuple[str, int], Document] = {}
        self.reports: list[Document] = []

    def attempt(self, stop_at: int | None = None) -> Document:
        """The last report."""
        saved = [report for report in self.reports if report["type"] == "checkpoint"]
        if saved:
            self.config["run"]["resume"] = {"path": saved[-1]["path"], "sha256": saved[-1]["sha256"]}
        reports: list[Document] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            training.run(json.loads(json.dumps(self.config)), reports.append, RequestAtStep(stop_at, "pause"))
        self.reports += reports
        for report in reports:
            if report["type"] in ("epoch", "step"):
                row = {key: value for key, value in report.items() if key not in CLOCK}
                self.rows[report["type"], report[report["type"]]] = row
        return reports[-1]

    def weights(self) -> dict[str, torch.Tensor]:
        path = [report["path"] for report in self.reports if report["type"] == "checkpoint"][-1]
        return load_file(self.folder / path)


def config_of(document: Document, folder: Path) -> Document:
    """As submit and worker make it. Raises SpecError."""
    resolved = resolve(validate(document), builtin_facts)
    assert resolve(validate(resolved), builtin_facts) == resolved
    dry_run(resolved)
    data = prepare(validate(resolved), folder)
    run = {"job": "job_x", "attempt": 1, "directory": "", "resume": None, "spec_sha256": "x"}
    return translate(resolved, data=data, run=run)


def same(whole: Run, resumed: Run) -> None:
    assert {key: json.dumps(row) for key, row in resumed.rows.items()} == {
        key: json.dumps(row) for key, row in whole.rows.items()
    }
    ours, theirs = whole.weights(), resumed.weights()
    for name in [name for name in ours if name.startswith(("model.", "ema."))]:
        assert ours[name].numpy().tobytes() == theirs[name].numpy().tobytes(), name


def compare(document: Document, folder: Path, draw: random.Random) -> str:
    """How the run came out."""
    config = config_of(document, folder)
    whole = Run(config, folder / "whole")
    end = whole.attempt()
    assert end["outcome"] == "succeeded" or end["error"]["code"] == "diverged", end
    resumed = Run(config, folder / "resumed")
    last = resumed.attempt(draw.randint(1, 9))
    if last["outcome"] == "stopped":
        last = resumed.attempt(draw.choice([None, draw.randint(1, 5)]))
    if last["outcome"] == "stopped":
        last = resumed.attempt()
    for ended in (end, last):
        (ended["test"] or {}).pop("checkpoint_path", None)
        ended["best"] = {key: value for key, value in (ended["best"] or {}).items() if "path" not in key}
    assert json.dumps(last) == json.dumps(end)  # so that one NaN is like another
    if end["outcome"] == "succeeded":
        same(whole, resumed)
    return str(end["outcome"] if end["stopped"] is None else end["stopped"]["reason"])


SHOWN = [*sorted(set(SCHEDULERS) - {"ReduceLROnPlateau", "WarmupCosine", "RangeTest"})]


def show(number: int) -> None:
    """A preview against torch's own objects, stepped by hand."""
    draw = Draw(number, scheduler=SHOWN[number % len(SHOWN)])
    optimizer = draw.optimizer(draw.kind, groups=False)
    if draw.kind not in ("LBFGS", "UpdateRule", "SparseAdam"):
        optimizer["groups"] = [{"params": "a.*", "lr": 0.02}, {"params": "b.*"}][: draw.random.randint(0, 2)]
    scheduler = draw.scheduler(draw.schedule, draw.kind, EPOCHS, groups=False)
    question = {"optimizer": optimizer, "scheduler": scheduler, "epochs": EPOCHS, "steps_per_epoch": draw.steps}
    answered = answer("schedule", question)
    if "errors" in answered:
        pytest.skip(str(answered))  # a draw that torch would trip over
    shown = answered["result"]
    names = ["a", "b", "c"][: len(shown["groups"])]
    parameters = {name: torch.nn.Parameter(torch.zeros(1, 1)) for name in names}
    kind = {"type": "SGD", "lr": optimizer["lr"]} if draw.kind == "UpdateRule" else optimizer
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = oracle.build_optimizer(kind, parameters)
        stepped = oracle.build_scheduler(plain, scheduler)
        for point in shown["points"]:
            for group, ours in zip(plain.param_groups, shown["groups"], strict=True):
                assert ours["lr"][point] == group["lr"], point
                if draw.kind != "UpdateRule":
                    momentum = group["betas"][0] if "betas" in group else group.get("momentum")
                    assert (ours["momentum"] or {point: None})[point] == momentum, point
            if point < len(shown["points"]) - 1:
                stepped.step()


@pytest.mark.parametrize("number", range(45))
def test_previews_are_what_torch_does(number: int) -> None:
    show(number)


def seed_of(pair: tuple[str, str], number: int) -> int:
    return 1000 * PAIRS.index(pair) + number


def drawn(pair: tuple[str, str], folder: Path, tries: int = 5) -> tuple[Document, int]:
    """The first good spec of a pair. Raises SpecError where none of a few is."""
    for number in range(tries):
        document = Draw(seed_of(pair, number), *pair).document()
        try:
            config_of(document, folder)
        except SpecError:
            if number == tries - 1:
                raise
        else:
            return document, number
    raise AssertionError


@pytest.mark.parametrize("pair", SOME, ids="-".join)
def test_some_pairs_resume_to_the_bit(pair: tuple[str, str], tmp_path: Path) -> None:
    document, number = drawn(pair, tmp_path)
    compare(document, tmp_path, random.Random(number))


@pytest.mark.slow
@pytest.mark.parametrize("pair", sorted(set(PAIRS) - set(SOME)), ids="-".join)
def test_every_pair_resumes_to_the_bit(pair: tuple[str, str], tmp_path: Path) -> None:
    document, number = drawn(pair, tmp_path)
    compare(document, tmp_path, random.Random(number))
