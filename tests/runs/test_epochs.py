"""More and fewer epochs on the way: the run comes out as if it had been submitted with that many."""

from collections.abc import Callable
from typing import Any

import pytest

from app.jobs import moves
from app.jobs.schemas import Change
from tests.worker.conftest import Workers, example, submit

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

METRICS = ["accuracy", "confusion_matrix"]


def spec(epochs: int) -> dict[str, Any]:
    scheduler = {"type": "CosineAnnealingLR", "T_max": 12}
    return example("digits-cnn-adam", epochs, scheduler=scheduler, metrics=METRICS)


def change(act: Callable[..., Any], job_id: str, epochs: int) -> None:
    act(moves.change, job_id, Change(epochs=epochs), None)


@pytest.mark.slow
def test_epochs_change_while_it_runs_and_when_it_has_ended(workers: Workers, act: Callable[..., Any]) -> None:
    workers.start()
    alone = submit(spec(10))
    job_id = submit(spec(5))
    assert workers.ended(alone)["status"] == "succeeded"
    workers.trained(job_id, 1)
    change(act, job_id, 7)  # while it runs
    assert workers.ended(job_id)["epochs"] == 7
    assert len(workers.epochs(job_id)) == 7
    change(act, job_id, 10)  # after its end
    job = workers.ended(job_id)
    assert (job["status"], job["error"], job["failures"]) == ("succeeded", None, 0)
    assert workers.epochs(job_id) == workers.epochs(alone)
    assert workers.final_weights(job_id) == workers.final_weights(alone)
    assert job["test"]["loss"] == workers.job(alone)["test"]["loss"]
    assert job["resolved_spec"]["training"]["epochs"] == 5
    assert "interrupted" not in workers.events(job_id)


@pytest.mark.slow
def test_a_running_job_gets_fewer(workers: Workers, act: Callable[..., Any]) -> None:
    workers.start()
    alone = submit(spec(30))
    job_id = submit(spec(2000))
    assert workers.ended(alone)["status"] == "succeeded"
    workers.trained(job_id, 3)
    change(act, job_id, 30)
    assert workers.ended(job_id)["status"] == "succeeded"
    assert workers.epochs(job_id) == workers.epochs(alone)
    assert workers.final_weights(job_id) == workers.final_weights(alone)
