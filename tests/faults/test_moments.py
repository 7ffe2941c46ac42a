"""One directed `kill -9` at each moment of the fault matrix: rows and weights are those of the run left alone."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.jobs import moves
from app.local.postgres import Postgres
from tests.faults.proxy import Proxy
from tests.runs.conftest import act
from tests.worker.conftest import Workers, example, submit, workers

__all__ = ["act", "workers"]

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

MOMENTS = {
    "m2 published, not claimed": ["before_claim"],
    "m3 claimed, the answer lost": ["after_claim"],
    "m4 the trainer started, before its first batch": ["trainer_started"],
    "m5 in a batch": ["step"],
    "m6 after the optimizer's step, before the scheduler's": ["after_optimizer_step"],
    "m7 in the checkpoint's write": ["mid_checkpoint_write"],
    "m8 synced, not renamed": ["after_tmp_write"],
    "m9 renamed, no row yet": ["after_rename", "after_checkpoint_report"],
    "m10 the transaction sent": ["before_commit"],
    "m11 after the epoch's commit": ["after_epoch_row", "after_commit"],
    "m12 all epochs trained, the job not ended": ["before_end"],
    "m13 in the validation": ["during_validation"],
    "m14 rows deleted by the retention, their files not yet": ["before_unlink"],
}
"""m1, and m15 as the API comes to it, are in tests/app/test_moments.py."""
NOTHING_LOST = {"before_claim", "after_commit", "before_unlink"}
"""The job may well end in its first attempt."""


def spec(epochs: int = 6, **checkpoint: int) -> dict[str, Any]:
    return example("iris-mlp-adam", epochs, checkpoint=checkpoint or {"every_epochs": 1})


@pytest.fixture
def failpoints(workers: Workers, tmp_path: Path) -> Path:
    workers.environment |= {"DESCENT_FAILPOINTS": str(tmp_path), "DESCENT_LEASE_SECONDS": "2"}
    return tmp_path


def is_as(workers: Workers, alone: str, job_id: str) -> bool:
    same_rows = workers.epochs(job_id) == workers.epochs(alone)
    return same_rows and workers.final_weights(job_id) == workers.final_weights(alone)


def test_a_kill_at_each_moment_changes_nothing(workers: Workers, failpoints: Path) -> None:
    workers.start()
    alone = submit(spec())
    assert workers.ended(alone)["status"] == "succeeded"
    for moment in [name for names in MOMENTS.values() for name in names]:
        (failpoints / moment).touch()
        job_id = submit(spec())
        job = workers.ended(job_id)
        workers.until(lambda moment=moment: not (failpoints / moment).exists())  # somebody came to it
        assert (job["status"], job["attempt"] > 1 or moment in NOTHING_LOST) == ("succeeded", True), moment
        assert is_as(workers, alone, job_id), moment


def test_a_kill_while_a_request_is_obeyed(workers: Workers, failpoints: Path, act: Callable[..., Any]) -> None:
    """m15: the trainer dies as it saves for a pause, the supervisor as it tells of a cancel."""
    workers.start()
    alone, job_id = [submit(spec(300, every_epochs=1000)) for _ in range(2)]
    assert workers.ended(alone)["status"] == "succeeded"
    workers.trained(job_id, 5)
    (failpoints / "mid_checkpoint_write").touch()
    act(moves.perform, job_id, moves.pause)
    assert workers.ended(job_id)["status"] == "paused"
    assert not (failpoints / "mid_checkpoint_write").exists()
    act(moves.perform, job_id, moves.resume)
    workers.until(lambda: workers.job(job_id)["status"] != "paused")
    assert workers.ended(job_id)["status"] == "succeeded"
    assert is_as(workers, alone, job_id)
    another = submit(spec(3000, every_epochs=1000))
    workers.trained(another, 5)
    act(moves.perform, another, moves.cancel)
    (failpoints / "before_commit").touch()
    assert workers.ended(another)["status"] == "cancelled"


def test_a_kill_right_after_a_rollback(workers: Workers, failpoints: Path) -> None:
    """The next attempt does not go on from a checkpoint of the epochs that were lost."""
    diverging = {
        "seed": 3,
        "data": {
            "dataset": {"type": "synthetic", "task": "regression", "samples": 60, "shape": [4]},
            "split": {"train": 45, "validation": 15},
        },
        "model": {"type": "Sequential", "layers": [{"type": "Linear", "out_features": 1}]},
        "loss": {"type": "MSELoss"},
        "optimizer": {"type": "SGD", "lr": 1.1},
        "training": {"epochs": 400, "batch_size": 45, "on_divergence": {"type": "rollback", "lr_factor": 0.1}},
        "checkpoint": {"every_epochs": 1, "keep_last": 9},
    }
    workers.start()
    alone = submit(diverging)
    assert workers.ended(alone)["status"] == "succeeded"
    (failpoints / "after_rollback").touch()
    job_id = submit(diverging)
    job = workers.ended(job_id)
    assert (job["status"], job["attempt"]) == ("succeeded", 2)
    assert is_as(workers, alone, job_id)
    told = workers.rows("SELECT type, data FROM event WHERE job_id = %s ORDER BY seq", job_id)
    back, again = [event["data"] for event in told if event["type"] == "rolled_back"]
    [resumed] = [event["data"] for event in told if event["type"] == "resumed"]
    assert back == again
    assert back["back_to"]["epoch"] >= resumed["epoch"] > 0
    assert not [event for event in told if event["data"].get("verdict") == "differs"]


@pytest.mark.parametrize(
    "statement", [pytest.param("activity = 'starting'", marks=pytest.mark.slow), "INSERT INTO epoch"]
)
def test_the_answer_to_a_commit_is_lost(
    workers: Workers, postgres: Postgres, tmp_path: Path, request: pytest.FixtureRequest, statement: str
) -> None:
    """m3 and m10 for a process that lives on: what it asked for is done, and it is not told so."""
    proxy = Proxy(postgres.run / ".s.PGSQL.5432", Path(tempfile.mkdtemp(prefix="descent-proxy-", dir="/tmp")) / "run")
    proxy.start()
    request.addfinalizer(proxy.stop)
    url = workers.database.replace(str(postgres.run), str(proxy.folder))
    workers.environment |= {"DESCENT_DATABASE_URL": url, "DESCENT_POLL_SECONDS": "1"}
    proxy.lose_answer(statement.encode())  # before the statement is prepared: its text is sent a few times only
    workers.start()
    job_id, alone = submit(spec()), submit(spec())
    for one in (job_id, alone):
        assert workers.ended(one)["status"] == "succeeded"
    assert proxy.lost, "nobody said it"
    assert is_as(workers, alone, job_id)
