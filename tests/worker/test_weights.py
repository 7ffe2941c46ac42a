from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from app.jobs.spec import SpecError, builtin_facts, resolve, validate
from app.jobs.spec.model import InitialWeights
from tests.app.spec.documents import IRIS, changed
from worker.resolve import dry_run
from worker.translate import translate
from worker.weights import StoredWeights, match_weights, renamed

SHAPES: dict[str, Any] = {"body.weight": [3, 2], "body.bias": [3], "head.weight": [4, 3]}


def match(stored: dict[str, list[int]], **settings: Any) -> Any:
    return match_weights(InitialWeights(upload="wts_x", **settings), StoredWeights("f", stored, "model."), SHAPES)


def test_equal_names_and_shapes_are_loaded() -> None:
    assert match(SHAPES) == ({name: f"model.{name}" for name in SHAPES}, [], [], [])


def test_two_tensors_cannot_get_one_name() -> None:
    with pytest.raises(SpecError, match=r"body\.weight and head\.weight one name: w") as refused:
        match({"body.weight": [3, 2], "head.weight": [4, 3]}, rename=[[".*weight", "w"]])
    assert refused.value.errors[0]["pointer"] == "/model/initial_weights/rename"


@pytest.mark.parametrize("replacement", ["\\2", "\\x", "a\\", "\\0", "\\g<1>"])
def test_a_new_name_refers_to_groups_that_are_there(replacement: str) -> None:
    weights = {"upload": "wts_x", "rename": [["a(.*)", "b\\1"], ["(.*)", replacement]]}
    with pytest.raises(SpecError) as refused:
        validate(changed(IRIS, {"/model/initial_weights": weights}))
    assert refused.value.errors[0]["pointer"] == "/model/initial_weights/rename/1/1"


def test_a_size_that_is_not_known_yet_takes_any() -> None:
    shapes: dict[str, list[int | None]] = {"embedding.weight": [None, 3], "fc.weight": [2, 3]}
    stored = {"embedding.weight": [77, 3], "fc.weight": [2, 3]}
    settings = InitialWeights(upload="wts_x")
    assert match_weights(settings, StoredWeights("f", stored), shapes).different_shape == []
    with pytest.raises(SpecError, match=r"different shape: embedding\.weight"):
        match_weights(settings, StoredWeights("f", {**stored, "embedding.weight": [77, 4]}), shapes)


def test_names_are_given_first_and_a_part_may_be_taken() -> None:
    stored = {"encoder.weight": [3, 2], "encoder.bias": [3], "old.weight": [9, 3]}
    found = match(stored, rename=[["encoder\\.(.*)", "body.\\1"]], params="body.*")
    assert found.loaded == {"body.weight": "model.encoder.weight", "body.bias": "model.encoder.bias"}
    assert found.unexpected == ["old.weight"]
    assert renamed("encoder.weight", [("enc", "x")]) == "encoder.weight"  # a pattern takes the whole name


def test_strict_names_what_does_not_fit_and_loose_loads_the_rest() -> None:
    stored = {"body.weight": [3, 2], "head.weight": [5, 3], "more": [1]}
    with pytest.raises(SpecError, match=r"missing: body.bias; unexpected: more; different shape: head.weight"):
        match(stored)
    found = match(stored, strict=False)
    assert found == ({"body.weight": "model.body.weight"}, ["body.bias"], ["more"], ["head.weight"])


@pytest.mark.parametrize(
    ("settings", "pointer"),
    [
        ({}, "/model/initial_weights"),
        ({"job": "job_a", "upload": "wts_b"}, "/model/initial_weights"),
        ({"upload": "wts_b", "checkpoint": "best"}, "/model/initial_weights/checkpoint"),
        ({"upload": "wts_b", "rename": [["(", "x"]]}, "/model/initial_weights/rename/0/0"),
    ],
)
def test_settings_that_say_nothing_clear_are_refused(settings: dict[str, Any], pointer: str) -> None:
    with pytest.raises(SpecError) as caught:
        validate(changed(IRIS, {"/model/initial_weights": settings}))
    assert caught.value.errors[0]["pointer"] == pointer


def test_a_dry_run_lists_them_and_the_engine_is_told_the_file(tmp_path: Path) -> None:
    file = str(tmp_path / "weights.safetensors")
    save_file({"1.weight": torch.ones(16, 4), "1.bias": torch.ones(16)}, file)
    settings = {"upload": "wts_x", "params": "1\\..*"}
    resolved = resolve(validate(changed(IRIS, {"/model/initial_weights": settings})), builtin_facts)
    report = dry_run(resolved, weights_of=lambda _: StoredWeights.read(file))
    assert report["initial_weights"]["loaded"] == {"1.weight": "1.weight", "1.bias": "1.bias"}
    config = translate(resolved, data=None, run={}, weights_of=lambda _: StoredWeights.read(file))
    assert config["model"]["initial_weights"] == {"file": file, "names": {"1.weight": "1.weight", "1.bias": "1.bias"}}
    with pytest.raises(SpecError, match="cannot be looked up"):
        dry_run(resolved)
