import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from sklearn import datasets

from app.jobs.spec import builtin_facts, plan, resolve, validate
from tests.app.spec.documents import FUNCTION, IRIS, UPLOADS, changed, example_specs, facts_of
from worker.data import deciding_hash, prepare
from worker.datasets.sources import Source, builtin_source


def prepared(document: dict[str, Any], store: Path) -> dict[str, torch.Tensor]:
    data = prepare(validate(resolve(validate(document), builtin_facts)), store)
    assert data is not None
    return load_file(data["file"])


def test_the_split_is_the_permutation_that_the_contract_names(tmp_path: Path) -> None:
    tensors = prepared(changed(IRIS, {"/data/split/seed": 7}), tmp_path)
    order = torch.randperm(150, generator=torch.Generator().manual_seed(7))
    iris = torch.tensor(datasets.load_iris().data).float()
    for part, index in (("train", order[:120]), ("validation", order[120:135]), ("test", order[135:])):
        assert torch.equal(tensors[f"{part}.inputs"], iris[index])
        assert tensors[f"{part}.targets"].dtype == torch.int64


def test_a_stratified_split_joins_the_classes_in_order(tmp_path: Path) -> None:
    split = {"train": 0.5, "validation": 0.5, "stratify": True, "seed": 3}
    tensors = prepared(changed(IRIS, {"/data/split": split}), tmp_path)
    generator = torch.Generator().manual_seed(3)
    expected = torch.cat([c * 50 + torch.randperm(50, generator=generator)[:25] for c in range(3)])
    assert torch.equal(tensors["train.inputs"], torch.tensor(datasets.load_iris().data)[expected].float())
    assert tensors["train.targets"].tolist() == [0] * 25 + [1] * 25 + [2] * 25


def test_preprocessing_is_fitted_on_the_training_part_in_float64(tmp_path: Path) -> None:
    order = torch.randperm(150, generator=torch.Generator().manual_seed(0))
    iris = torch.tensor(datasets.load_iris().data)
    train, validation = iris[order[:120]], iris[order[120:135]]
    scaled = prepared(changed(IRIS, {"/data/preprocess": [{"type": "MinMaxScale"}]}), tmp_path)
    low, high = train.amin(0), train.amax(0)
    assert torch.equal(scaled["validation.inputs"], ((validation - low) / (high - low)).float())
    standard = prepared(changed(IRIS, {"/data/preprocess": [{"type": "Standardize"}]}), tmp_path)
    mean, std = train.mean(0), train.std(0, unbiased=False)
    assert torch.equal(standard["validation.inputs"], ((validation - mean) / std).float())
    assert torch.equal(standard["fitted.0.mean"], mean)
    normal = prepared(
        changed(IRIS, {"/data/preprocess": [{"type": "Normalize", "mean": [0.1], "std": [0.3]}]}), tmp_path
    )
    assert torch.equal(normal["train.inputs"], ((train - 0.1) / 0.3).float())


def test_a_constant_feature_becomes_zero(tmp_path: Path) -> None:
    rows = [[5.0, float(i)] for i in range(4)]
    for kind in ("Standardize", "MinMaxScale"):
        document = changed(
            IRIS,
            {
                "/data": {
                    "dataset": {"type": "inline", "inputs": rows, "targets": [0, 1, 0, 1]},
                    "preprocess": [{"type": kind}],
                }
            },
        )
        tensors = prepared(document, tmp_path)
        assert tensors["train.inputs"][:, 0].tolist() == [0.0] * 4
        assert torch.isfinite(tensors["train.inputs"]).all()


def test_images_are_resized_bilinearly(tmp_path: Path) -> None:
    document = changed(IRIS, {"/data/dataset": "digits", "/data/preprocess": [{"type": "Resize", "size": 28}]})
    tensors = prepared(document, tmp_path)
    digits = torch.tensor(datasets.load_digits().images)[:, None]
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(0))[:4]
    expected = F.interpolate(digits[order], size=(28, 28), mode="bilinear", align_corners=False).float()
    assert tensors["train.inputs"].shape == (1439, 1, 28, 28)
    assert torch.equal(tensors["train.inputs"][:4], expected)


def test_number_targets_are_rows(tmp_path: Path) -> None:
    document = changed(IRIS, {"/data/dataset": "diabetes", "/loss": {"type": "MSELoss"}, "/metrics": []})
    tensors = prepared(document, tmp_path)
    assert tensors["train.targets"].shape == (354, 1)
    assert tensors["train.targets"].dtype == torch.float32


def test_the_same_data_is_made_once_and_whole(tmp_path: Path) -> None:
    spec = validate(resolve(validate(IRIS), builtin_facts))
    first = prepare(spec, tmp_path)
    assert first is not None
    written = os.stat(first["file"]).st_mtime_ns
    other = validate(changed(IRIS, {"/optimizer/lr": 0.5, "/name": "another"}))
    assert prepare(other, tmp_path) == first
    assert os.stat(first["file"]).st_mtime_ns == written
    assert os.listdir(tmp_path / "prepared") == [f"{deciding_hash(spec)}.safetensors"]
    assert deciding_hash(validate(changed(IRIS, {"/data/split/seed": 1}))) != deciding_hash(spec)
    assert deciding_hash(spec, {"mnist": {"train": "5e1f"}}) != deciding_hash(spec, {"mnist": {"train": "c0de"}})


def test_a_function_has_no_data_and_synthetic_data_is_left_to_the_engine(tmp_path: Path) -> None:
    assert prepare(validate(FUNCTION), tmp_path) is None
    synthetic = {"type": "synthetic", "task": "classification", "samples": 100, "shape": [3], "classes": 4}
    data = prepare(validate(changed(IRIS, {"/data/dataset": synthetic})), tmp_path)
    assert data == {
        "synthetic": {
            "task": "classification",
            "samples": 100,
            "shape": [3],
            "classes": 4,
            "seed": 0,
            "split": {"train": 80, "validation": 10, "test": 10},
        }
    }


def upload(
    reference: str, columns: Mapping[str, Any] | None, target: str, like: Source | None = None, /
) -> dict[str, Source]:
    """Stands for the uploads that examples name."""
    facts = UPLOADS.get(reference)
    if facts is None:
        return builtin_source(reference, columns, target, like)
    targets = torch.arange(facts.samples) % (facts.classes or 1)
    if facts.dtype == "text":
        return {"train": Source([f"film number {n}" for n in range(facts.samples)], targets)}
    return {"train": Source(torch.zeros(facts.samples, *facts.shape, dtype=torch.uint8) + 255, targets)}


@pytest.mark.parametrize("name", [name for name, spec in example_specs().items() if "data" in spec])
def test_every_example_with_data_can_be_prepared(name: str, tmp_path: Path) -> None:
    spec = validate(resolve(validate(example_specs()[name]), facts_of))
    data = prepare(spec, tmp_path, facts_of=facts_of, source_of=upload)
    assert data is not None
    tensors = load_file(data["file"])
    counts = plan(spec, facts_of).counts
    assert [len(tensors.get(f"{part}.inputs", ())) for part in ("train", "validation", "test")] == [
        counts.train,
        counts.validation,
        counts.test,
    ]
