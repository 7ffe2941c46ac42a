"""Text, columns and parts: from a source that stands for uploads to the tensor file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from app.datasets.facts import Facts
from app.jobs.spec import SpecError, plan, resolve, validate
from app.jobs.spec.preprocess import Tokenize
from tests.app.spec.documents import IRIS, changed
from worker.data import prepare, vocabulary_size
from worker.datasets.sources import Source
from worker.datasets.tables import Columns
from worker.datasets.tokenize import Vocabulary, tokens_of
from worker.resolve import dry_run
from worker.translate import translate

TEXTS = ["The cat sat.", "the dog sat!", "A cat", ""]
ROWS = [[0.0, 1.0], [1.0, float("nan")], [2.0, 3.0], [0.0, 5.0]]
NAN = float("nan")


def facts_of(reference: str, columns: Mapping[str, Any] | None = None, /) -> Facts:
    if reference == "ds_texts":
        return Facts(4, (), "text", 2, class_counts=(2, 2), reference=reference)
    return Facts(
        4,
        (2,),
        classes=2,
        class_counts=(2, 2),
        reference=reference,
        columns=("colour", "size"),
        categories={"colour": ("blue", "green", "red")},
        levels={"size": (1, 3, 5)},
        missing=("size",),
    )


def source_of(
    reference: str, columns: Mapping[str, Any] | None, target: str, like: Source | None = None, /
) -> dict[str, Source]:
    targets = torch.tensor([0, 1, 0, 1])
    if reference == "ds_texts":
        return {"train": Source(TEXTS, targets)}
    known = Columns(("colour", "size"), {"colour": ("blue", "green", "red")}, {"size": (1, 3, 5)})
    return {"train": Source(torch.tensor(ROWS, dtype=torch.float64), targets, torch.tensor([1.0, 2, 3, 4]), known)}


def tensors(data: dict[str, Any], store: Path) -> dict[str, torch.Tensor]:
    spec = validate(resolve(validate(changed(IRIS, {"/data": data})), facts_of))
    prepared = prepare(spec, store, facts_of=facts_of, source_of=source_of)
    assert prepared is not None
    return load_file(prepared["file"])


@pytest.mark.parametrize(
    ("options", "tokens"),
    [
        ({"level": "word", "lowercase": True}, ["hé", "said", ":", "no", "!"]),
        ({"level": "character"}, list("Hé said: NO!")),
        ({"level": "byte"}, [f"{b:02x}" for b in "Hé said: NO!".encode()]),
    ],
)
def test_a_text_is_normalised_and_cut(options: dict[str, Any], tokens: list[str]) -> None:
    assert tokens_of("He\u0301 said: NO!", Tokenize(type="Tokenize", max_length=9, **options)) == tokens


def test_the_vocabulary_is_by_count_then_code_point() -> None:
    step = Tokenize(type="Tokenize", max_length=3, max_vocab=6, lowercase=True)
    vocabulary = Vocabulary.of(TEXTS, step)
    assert vocabulary.tokens == ["<pad>", "<unk>", "cat", "sat", "the", "!"]
    inputs, lengths = vocabulary.numbers(["the cat flew away", ""], step)
    assert inputs.tolist() == [[4, 2, 1], [1, 0, 0]]
    assert lengths.tolist() == [3, 1]


def test_texts_become_tokens_and_the_model_takes_the_vocabularys_size(tmp_path: Path) -> None:
    tokenize = {"type": "Tokenize", "max_length": 4, "lowercase": True}
    data = {"dataset": "ds_texts", "split": {"train": 0.5, "validation": 0.5}, "preprocess": [tokenize]}
    found = tensors(data, tmp_path)
    assert found["train.inputs"].shape == (2, 4)
    assert found["train.lengths"].tolist() == (found["train.inputs"] != 0).sum(1).tolist()
    model = {"type": "LSTMClassifier", "embedding_dim": 3, "hidden_size": 2}
    resolved = resolve(validate(changed(IRIS, {"/data": data, "/model": model})), facts_of)
    prepared = prepare(validate(resolved), tmp_path, facts_of=facts_of, source_of=source_of)
    size = vocabulary_size(prepared)
    assert size is not None
    assert size < 12
    config = translate(resolved, data=prepared, run={}, facts_of=facts_of)
    assert config["model"]["num_embeddings"] == size
    assert config["model"]["out_features"] == 2


@pytest.mark.parametrize(
    ("model", "sizes"),
    [
        ({"type": "LSTMClassifier", "hidden_size": 2}, {"num_embeddings": None, "out_features": 2}),
        ({"type": "LSTMClassifier", "num_embeddings": 40}, {"num_embeddings": 40}),
        ({"type": "TransformerClassifier", "d_model": 4}, {"num_embeddings": None, "max_length": 4}),
        ({"type": "Sequential", "layers": [{"type": "EmbeddingBag", "embedding_dim": 2}, {"type": "Linear"}]}, {}),
    ],
)
def test_a_dry_run_leaves_open_what_the_vocabulary_will_say(
    tmp_path: Path, model: dict[str, Any], sizes: dict[str, Any]
) -> None:
    data = {"dataset": "ds_texts", "preprocess": [{"type": "Tokenize", "max_length": 4}]}
    resolved = resolve(validate(changed(IRIS, {"/data": data, "/model": model})), facts_of)
    found = dry_run(resolved, facts_of)["resolved_spec"]
    assert {key: found["model"][key] for key in sizes} == sizes
    prepared = prepare(validate(found), tmp_path, facts_of=facts_of, source_of=source_of)
    once, tried = (translate(spec, data=prepared, run={}, facts_of=facts_of)["model"] for spec in (resolved, found))
    assert once == tried  # a submit that was tried out trains the model of one that was not
    if model["type"] == "Sequential":
        assert [layer.get("num_embeddings") for layer in found["model"]["layers"]] == [None, None]
        assert found["model"]["layers"][1]["in_features"] == 2
    small = changed(found, {"/model": {"type": "LSTMClassifier", "num_embeddings": 3}})
    assert dry_run(small, facts_of)["model"]["layers"][0]["parameters"] == 300
    with pytest.raises(SpecError, match="is 3, but the data has") as refused:
        translate(small, data=prepared, run={}, facts_of=facts_of)
    assert refused.value.errors[0]["pointer"] == "/model/num_embeddings"


def test_columns_are_imputed_and_spread(tmp_path: Path) -> None:
    steps = [{"type": "Impute", "strategy": "median"}, {"type": "OneHot", "columns": ["colour"]}]
    data = {"dataset": "ds_rows", "split": {"train": 1.0}, "preprocess": steps}
    work = plan(validate(changed(IRIS, {"/data": data})), facts_of)
    assert work.facts is not None
    assert (work.facts.shape, work.facts.columns) == ((4,), ("colour=blue", "colour=green", "colour=red", "size"))
    found = tensors(data, tmp_path)
    order = torch.randperm(4, generator=torch.Generator().manual_seed(0))
    expected = torch.tensor([[1.0, 0, 0, 1], [0, 1, 0, 3], [0, 0, 1, 3], [1, 0, 0, 5]])
    assert torch.equal(found["train.inputs"], expected[order])
    assert torch.equal(found["train.weights"], torch.tensor([1.0, 2, 3, 4])[order])


def test_columns_of_few_whole_numbers_are_spread_as_well(tmp_path: Path) -> None:
    filled = {"type": "Impute", "strategy": "most_frequent"}
    both = {"type": "OneHot", "columns": ["colour", "size"]}
    work = plan(validate(changed(IRIS, {"/data": {"dataset": "ds_rows", "preprocess": [filled, both]}})), facts_of)
    assert work.facts is not None
    assert work.facts.columns[3:] == ("size=1", "size=3", "size=5")
    order = torch.randperm(4, generator=torch.Generator().manual_seed(0))
    data = {"dataset": "ds_rows", "split": {"train": 1.0}}
    spread = tensors({**data, "preprocess": [filled, both]}, tmp_path)["train.inputs"]
    expected = torch.tensor([[1.0, 0, 0, 1, 0, 0], [0, 1, 0, 1, 0, 0], [0, 0, 1, 0, 1, 0], [1, 0, 0, 0, 0, 1]])
    assert torch.equal(spread, expected[order])
    placed = tensors({**data, "preprocess": [filled, {**both, "type": "Ordinal"}]}, tmp_path)["train.inputs"]
    assert torch.equal(placed, torch.tensor([[0.0, 0], [1, 0], [2, 1], [0, 2]])[order])


@pytest.mark.parametrize(
    ("steps", "pointer", "words"),
    [
        (
            [{"type": "Impute"}, {"type": "OneHot", "columns": ["size"]}],
            "/data/preprocess/1/columns/0",
            "or not any more",  # a mean is none of its values
        ),
        (
            [
                {"type": "Impute", "strategy": "most_frequent"},
                {"type": "Ordinal", "columns": ["colour"]},
                {"type": "Standardize"},
                {"type": "OneHot", "columns": ["size"]},
            ],
            "/data/preprocess/3/columns/0",
            "or not any more",
        ),
        ([], "/data/preprocess", "'colour' is text"),
        ([{"type": "Ordinal", "columns": ["colour"]}], "/data/preprocess", "'size' has missing values"),
        ([{"type": "OneHot", "columns": ["color"]}], "/data/preprocess/0/columns/0", "no input column"),
        ([{"type": "OneHot", "columns": ["size"]}], "/data/preprocess/0/columns/0", "has missing values"),
        ([{"type": "Tokenize", "max_length": 3}], "/data/preprocess/0", "takes texts"),
    ],
)
def test_columns_that_are_no_numbers_are_refused(steps: list[dict[str, Any]], pointer: str, words: str) -> None:
    data = {"dataset": "ds_rows", "preprocess": steps}
    with pytest.raises(SpecError) as caught:
        resolve(validate(changed(IRIS, {"/data": data})), facts_of)
    assert caught.value.errors[0]["pointer"] == pointer
    assert words in caught.value.errors[0]["detail"]


def test_parts_of_their_own_are_not_cut(tmp_path: Path) -> None:
    steps = [{"type": "Impute"}, {"type": "Ordinal", "columns": ["colour"]}]
    data = {
        "dataset": {"train": "ds_a", "test": "ds_b"},
        "split": {"train": 0.5, "validation": 0.5},
        "preprocess": steps,
    }
    work = plan(validate(changed(IRIS, {"/data": data})), facts_of)
    assert (work.counts.train, work.counts.validation, work.counts.test) == (2, 2, 4)
    found = tensors(data, tmp_path)
    assert [len(found[f"{part}.inputs"]) for part in ("train", "validation", "test")] == [2, 2, 4]
    with pytest.raises(SpecError, match="own test part is used"):
        validate(changed(IRIS, {"/data": {**data, "split": {"train": 0.5, "test": 0.5}}}))
