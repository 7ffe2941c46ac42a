from typing import Any

import pytest

from app.datasets.facts import Facts
from app.jobs.spec import builtin_facts, plan, validate
from app.jobs.spec.data import Split
from app.jobs.spec.plan import Counts, part_counts
from tests.app.spec.documents import FUNCTION, IRIS, changed


@pytest.mark.parametrize(
    ("n", "split", "counts"),
    [
        (1797, {"train": 0.8, "validation": 0.1, "test": 0.1}, (1439, 179, 179)),  # training takes what is left
        (1797, {"train": 0.8, "validation": 0.1}, (1437, 179, 0)),
        (150, {"train": 120, "validation": 15, "test": 15}, (120, 15, 15)),
        (4, {"train": 1.0}, (4, 0, 0)),
        (4, {"train": 1}, (4, 0, 0)),
        (4, {"train": 2, "validation": 0.5}, (2, 2, 0)),
        (10, {"train": 0.7, "validation": 0.3}, (7, 3, 0)),
    ],
)
def test_parts_have_the_contracts_sizes(n: int, split: dict[str, Any], counts: tuple[int, int, int]) -> None:
    assert part_counts(Facts(n, (1,)), Split(**split)) == Counts(*counts)


def test_a_stratified_split_cuts_each_class() -> None:
    facts = Facts(150, (4,), classes=3, class_counts=(50, 49, 51))
    assert part_counts(facts, Split(train=0.5, validation=0.5, stratify=True)) == Counts(76, 74, 0)


@pytest.mark.parametrize(
    ("changes", "batches", "steps"),
    [
        ({}, 5, 5),
        ({"/training/drop_last": True, "/training/batch_size": 50}, 2, 2),
        ({"/training/batch_size": 50}, 3, 3),
        ({"/training/accumulate_steps": 2}, 5, 3),
    ],
)
def test_steps_are_known_before_anything_is_read(changes: dict[str, Any], batches: int, steps: int) -> None:
    work = plan(validate(changed(IRIS, changes)), builtin_facts)
    assert (work.batches_per_epoch, work.steps_per_epoch, work.steps) == (batches, steps, 10 * steps)


def test_an_epoch_of_a_function_is_one_step() -> None:
    assert plan(validate(FUNCTION), builtin_facts).steps == 10


def test_inline_classes_are_counted() -> None:
    data = {"type": "inline", "inputs": [[1.0], [2.0], [3.0]], "targets": [0, 2, 2]}
    document = changed(IRIS, {"/data": {"dataset": data}})
    facts = plan(validate(document), builtin_facts).facts
    assert facts is not None
    assert (facts.classes, facts.class_counts, facts.shape) == (3, (1, 0, 2), (1,))
