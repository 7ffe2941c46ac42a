"""Texts for a language model: blocks of one stream, counted when they are cut, trained by the engine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from app.datasets.facts import Facts
from app.jobs.spec import SpecError, plan, resolve, validate
from tests.app.spec.documents import changed
from worker import training
from worker.data import prepare, sample_counts, vocabulary_size
from worker.datasets.sources import Source
from worker.resolve import dry_run
from worker.training.requests import Requests
from worker.translate import translate

TEXTS = ["abab", "cab", "bbaabbaabbaa"]
LANGUAGE: dict[str, Any] = {
    "data": {
        "dataset": "ds_texts",
        "split": {"train": 0.8, "validation": 0.2},
        "preprocess": [{"type": "Tokenize", "level": "character", "block_size": 3}],
    },
    "model": {"type": "GPT", "n_layer": 1, "n_head": 1, "n_embd": 8},
    "loss": {"type": "CrossEntropyLoss"},
    "optimizer": {"type": "AdamW", "lr": 0.01},
    "training": {"epochs": 2, "batch_size": 2},
    "metrics": ["perplexity"],
}


def facts_of(reference: str, columns: Mapping[str, Any] | None = None, /) -> Facts:
    return Facts(3, (), "text", None, reference=reference)


def source_of(reference: str, columns: Any, target: str, like: Source | None = None, /) -> dict[str, Source]:
    return {"train": Source(TEXTS, torch.zeros(3))}


def prepared(spec: dict[str, Any], store: Path) -> dict[str, Any]:
    found = prepare(validate(spec), store, facts_of=facts_of, source_of=source_of)
    assert found is not None
    return found


def test_a_stream_is_cut_into_blocks_whose_targets_come_one_later(tmp_path: Path) -> None:
    spec = resolve(validate(LANGUAGE), facts_of)
    data = prepared(spec, tmp_path)
    found = load_file(data["file"])
    stream = "".join(TEXTS)  # 19 characters: six blocks of three, and the target of the last
    order = torch.randperm(6, generator=torch.Generator().manual_seed(0)).tolist()
    counts = sample_counts(data)
    assert (counts.train, counts.validation, counts.test) == (5, 1, 0)  # what is left of 0.8 and 0.2 goes to training
    assert vocabulary_size(data) in (4, 5)  # padding, unknown, a and b; and c, where its block is trained on
    trained = "".join(stream[3 * block : 3 * block + 3] for block in order[:5])
    letters = sorted(set(trained), key=lambda letter: (-trained.count(letter), letter))
    numbers = {letter: place + 2 for place, letter in enumerate(letters)}
    for part, blocks in (("train", order[:5]), ("validation", order[5:])):
        for shift, name in enumerate(("inputs", "targets")):
            texts = [stream[3 * block + shift : 3 * block + shift + 3] for block in blocks]
            assert found[f"{part}.{name}"].tolist() == [[numbers.get(letter, 1) for letter in text] for text in texts]


def test_a_language_model_trains_on_them(tmp_path: Path) -> None:
    work = plan(validate(LANGUAGE), facts_of)
    assert (work.counted, work.steps) == (False, None)
    tried = dry_run(resolve(validate(LANGUAGE), facts_of), facts_of)
    assert (tried["steps_per_epoch"], tried["resolved_spec"]["model"]["block_size"]) == (None, 3)
    spec = resolve(validate(LANGUAGE), facts_of)
    config = translate(spec, data=prepared(spec, tmp_path), run={"directory": str(tmp_path / "run")}, facts_of=facts_of)
    assert config["model"]["vocab_size"] == vocabulary_size(config["data"])
    reports: list[dict[str, Any]] = []
    training.run(config, reports.append, Requests())
    assert reports[-1]["outcome"] == "succeeded", reports[-1]
    assert [report["step"] for report in reports if report["type"] == "epoch"] == [3, 6]


@pytest.mark.parametrize(("size", "pointer"), [(40, None), (3, "/model/vocab_size"), (2, "/model/vocab_size")])
def test_a_size_of_its_own_is_judged_when_the_tokens_are_counted(
    size: int, pointer: str | None, tmp_path: Path
) -> None:
    spec = changed(LANGUAGE, {"/model/vocab_size": size})
    if pointer is None:
        resolved = resolve(validate(spec), facts_of)
        assert dry_run(resolved, facts_of)["resolved_spec"]["model"]["vocab_size"] == size
        assert (
            translate(resolved, data=prepared(resolved, tmp_path), run={}, facts_of=facts_of)["model"]["vocab_size"]
            == size
        )
    else:
        assert refused(spec, tmp_path) == pointer


def refused(spec: dict[str, Any], store: Path) -> str:
    def train() -> None:
        resolved = resolve(validate(spec), facts_of)
        translate(resolved, data=prepared(resolved, store), run={}, facts_of=facts_of)

    with pytest.raises(SpecError) as caught:
        train()
    return caught.value.errors[0]["pointer"]


def with_data(**changes: Any) -> dict[str, Any]:
    return LANGUAGE | {"data": LANGUAGE["data"] | changes}


def test_what_only_the_count_shows_is_refused_when_it_is_known(tmp_path: Path) -> None:
    cycle = {"type": "OneCycleLR", "max_lr": 0.1, "total_steps": 5, "interval": "step"}
    assert refused(LANGUAGE | {"scheduler": cycle}, tmp_path) == "/scheduler/total_steps"
    steps = [{"type": "Tokenize", "level": "character", "block_size": 19}]
    assert refused(with_data(preprocess=steps), tmp_path) == "/data/preprocess/0/block_size"
    assert refused(with_data(split={"train": 5, "validation": 9}), tmp_path) == "/data/split"
    assert refused(with_data(split={"train": 1.0, "stratify": True}), tmp_path) == "/data/split/stratify"
    for step, pointer in (
        ({"type": "Tokenize"}, "/data/preprocess/0/max_length"),
        ({"type": "Tokenize", "block_size": 3, "max_length": 3}, "/data/preprocess/0/max_length"),
    ):
        assert refused(with_data(preprocess=[step]), tmp_path) == pointer
