"""One directed `kill -9` at each named moment, on one worker: rows and weights are those of the run left alone."""

from pathlib import Path
from typing import Any

import pytest

from tests.worker.conftest import Workers, example, submit, workers

__all__ = ["workers"]

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

MOMENTS = (
    "step", "after_optimizer_step", "after_epoch_row", "during_validation", "mid_checkpoint_write", "after_tmp_write",
    "after_rename", "after_checkpoint_report", "before_end", "after_claim", "before_commit", "after_commit",
)  # fmt: skip


def spec() -> dict[str, Any]:
    return example("iris-mlp-adam", 6, checkpoint={"every_epochs": 2})


def test_a_kill_at_each_moment_changes_nothing(workers: Workers, tmp_path: Path) -> None:
    workers.environment |= {"DESCENT_FAILPOINTS": str(tmp_path), "DESCENT_LEASE_SECONDS": "2"}
    workers.start()
    alone = submit(spec())
    assert workers.ended(alone)["status"] == "succeeded"
    for moment in MOMENTS:
        (tmp_path / moment).touch()
        job_id = submit(spec())
        job = workers.ended(job_id)
        assert not (tmp_path / moment).exists(), f"nobody came to {moment}"
        assert (job["status"], job["attempt"] > 1 or moment == "after_commit") == ("succeeded", True), moment
        assert workers.epochs(job_id) == workers.epochs(alone), moment
        assert workers.final_weights(job_id) == workers.final_weights(alone), moment
