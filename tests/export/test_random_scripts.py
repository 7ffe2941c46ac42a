"""Scripts of specs nobody thought of print the engine's rows, bit for bit."""

import warnings
from pathlib import Path

import pytest

from app.datasets.builtin import builtin_facts
from app.jobs.spec import SpecError, resolve, validate
from tests.export.conftest import run
from tests.export.test_scripts import check
from tests.worker.random_specs import Document, Draw
from worker.resolve import dry_run


def drawn(seed: int) -> Document:
    """The first good spec from this seed on."""
    for number in range(seed, seed + 5000, 500):
        document = Draw(number).document()
        try:
            dry_run(resolve(validate(document), builtin_facts))
        except SpecError:
            continue
        return document
    raise AssertionError


@pytest.mark.parametrize("seed", [pytest.param(s, marks=() if s < 5 else pytest.mark.slow) for s in range(60)])
def test_scripts_of_random_specs(seed: int, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ran = run(drawn(seed), tmp_path)
    check(ran, tmp_path / "alone")
