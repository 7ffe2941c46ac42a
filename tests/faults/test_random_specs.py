"""Specs nobody thought of, trained by workers that die: what is stored is what an undisturbed run stored."""

import hashlib
import random
from pathlib import Path

import psycopg
import pytest

from app.jobs.spec import SpecError
from tests.faults.invariants import Evidence, i5_every_checkpoint_has_its_whole_file
from tests.worker.conftest import Workers, submit, workers
from tests.worker.random_specs import Document, Draw
from tests.worker.test_random_specs import config_of

__all__ = ["workers"]

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

MOMENTS = (
    "step", "step", "step", "after_optimizer_step", "after_epoch_row", "during_validation", "mid_checkpoint_write",
    "after_tmp_write", "after_rename", "after_checkpoint_report", "after_rollback", "before_end", "before_commit",
)  # fmt: skip
SAME = {
    "epoch": "epoch, phase, train_loss, validation_loss, metrics, learning_rates, gradient_norm, samples, extra",
    "step": "step, epoch, train_loss, learning_rates, gradient_norm, validation_loss",
    "job": "status, epochs, progress, best, test, stopped, error",
}


def drawn(seed: int, folder: Path) -> Document:
    """The first good spec from this seed on; one of three goes back from a loss that its rate makes infinite."""
    for number in range(seed, seed + 1000, 100):
        document = Draw(number).document()
        if seed % 3 == 0:
            document["training"]["on_divergence"] = {"type": "rollback", "lr_factor": 1e-6, "max_times": 3}
            for part in (document, *document.get("phases", [])):
                if isinstance(part.get("optimizer"), dict) and "lr" in part["optimizer"]:
                    part["optimizer"]["lr"] *= 1e6
        try:
            config_of(document, folder)
        except SpecError:
            continue
        return document
    raise AssertionError


def stored(workers: Workers, job_id: str) -> dict[str, str]:
    """What must be equal. As text: NaN is like another, and -0.0 is not 0.0."""
    found = {
        table: repr([
            {**row, "test": None if row.get("test") is None else {**row["test"], "checkpoint": None}}
            for row in workers.rows(
                f"SELECT {columns} FROM {table} WHERE {'id' if table == 'job' else 'job_id'} = %s ORDER BY 1", job_id
            )
        ])
        for table, columns in SAME.items()
    }  # fmt: skip
    if workers.job(job_id)["status"] == "succeeded":
        found["weights"] = hashlib.sha256(workers.final_weights(job_id)).hexdigest()
    return found


@pytest.mark.slow
def test_random_specs_come_out_as_if_nobody_had_died(workers: Workers, tmp_path: Path) -> None:
    workers.environment |= {"DESCENT_FAILPOINTS": str(tmp_path / "failpoints"), "DESCENT_LEASE_SECONDS": "2"}
    (tmp_path / "failpoints").mkdir()
    documents = [drawn(number, tmp_path) for number in range(30)]
    workers.start("--slots", "cpu=2")
    alone = [submit(document) for document in documents]
    for job_id in alone:
        workers.ended(job_id)
    dice, died = random.Random(0), 0
    for document, undisturbed in zip(documents, alone, strict=True):
        moments = [f"{dice.choice(MOMENTS)}.{dice.randint(1, 6)}" for _ in range(dice.randint(1, 3))]
        for moment in moments:
            (tmp_path / "failpoints" / moment).touch()
        job_id = submit(document)
        workers.ended(job_id)
        for moment in moments:
            (tmp_path / "failpoints" / moment).unlink(missing_ok=True)
        died += workers.job(job_id)["attempt"] - 1
        assert stored(workers, job_id) == stored(workers, undisturbed), (moments, document)
    assert died > 10
    with psycopg.connect(workers.database) as connection:
        evidence = Evidence(connection, Path(workers.environment["DESCENT_STORE_URL"]), [])
        assert i5_every_checkpoint_has_its_whole_file(evidence, {}) == []
