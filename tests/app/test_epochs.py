"""PATCH epochs: where it is allowed, what it does to the job's row."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from app.models import Job
from tests.app.conftest import SPEC, Api


def patch(api: Api, job_id: str, epochs: Any) -> Any:
    return api.request("PATCH", f"/v1/jobs/{job_id}", json={"epochs": epochs})


def test_a_queued_job_gets_other_epochs_and_keeps_its_resolved_spec(api: Api) -> None:
    job = api.submit()
    reply = patch(api, job["id"], 9)
    assert reply.status_code == 200, reply.text
    changed = reply.json()
    assert (changed["progress"]["epochs"], changed["progress"]["steps"]) == (9, 45)
    assert changed["resolved_spec"] == job["resolved_spec"]
    assert changed["spec_sha256"] == job["spec_sha256"]
    events = api.get(f"/v1/jobs/{job['id']}/events").json()["data"]
    assert events[-1]["data"] == {"epochs": 9, "before": 4}


def test_a_running_job_is_asked_to_take_it_up(api: Api, run_job: Callable[..., None], session: Session) -> None:
    job = api.submit()
    run_job(job["id"])
    assert patch(api, job["id"], 6).status_code == 200
    row = session.execute(text("SELECT status, request, epochs FROM job WHERE id = :id"), {"id": job["id"]}).one()
    assert tuple(row) == ("running", "requeue", 6)


def test_a_succeeded_job_goes_back_into_the_queue(
    api: Api, run_job: Callable[..., None], end_job: Callable[..., None], add_epoch: Callable[..., int]
) -> None:
    job = api.submit()
    run_job(job["id"])
    add_epoch(job["id"], 4, metrics={"train_accuracy": 0.5, "train_confusion_matrix": [[1]]})
    end_job(job["id"])
    fewer = patch(api, job["id"], 3)
    assert fewer.status_code == 422
    assert fewer.json()["errors"] == [{"pointer": "/epochs", "detail": "4 epochs are done already"}]
    assert patch(api, job["id"], 8).json()["status"] == "queued"
    rows = api.get(f"/v1/jobs/{job['id']}/epochs").json()["data"]
    assert rows[0]["metrics"] == {"train_accuracy": 0.5}  # the matrix is the last epoch's alone


@pytest.mark.parametrize("status", ["failed", "cancelled", "pausing"])
def test_other_states_refuse(api: Api, session: Session, run_job: Callable[..., None], status: str) -> None:
    job = api.submit()
    if status == "pausing":
        run_job(job["id"])
    session.execute(update(Job).where(Job.id == job["id"]).values(status=status))
    session.commit()
    assert patch(api, job["id"], 8).status_code == 409


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"scheduler": {"type": "OneCycleLR", "max_lr": 0.1, "total_steps": 4}}, "OneCycleLR is laid out over"),
        ({"scheduler": {"type": "WarmupCosine", "warmup": 2}}, "WarmupCosine is laid out over"),
        ({"scheduler": {"type": "ChainedScheduler", "schedulers": [
            {"type": "OneCycleLR", "max_lr": 0.1, "total_steps": 40}]}}, "OneCycleLR is laid out over"),
        ({"scheduler": {"type": "LambdaLR", "lr_lambda": "1 / (5 - epoch)"}}, "/scheduler/lr_lambda"),
        ({"optimizer": None, "training": {"batch_size": 24},
          "phases": [{"epochs": 4, "optimizer": {"type": "SGD", "lr": 0.1}}]}, "a job with phases"),
    ],
)  # fmt: skip
def test_a_schedule_with_a_fixed_end_refuses(api: Api, changes: dict[str, Any], detail: str) -> None:
    document = {key: value for key, value in (SPEC | changes).items() if value is not None}
    reply = api.post("/v1/jobs", json=document)
    assert reply.status_code == 201, reply.text
    refused = patch(api, reply.json()["id"], 8)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["detail"].startswith(detail), refused.text


@pytest.mark.parametrize("epochs", [0, -1, 1_000_001, None, "8", 2.5])
def test_the_number_is_checked(api: Api, epochs: Any) -> None:
    assert patch(api, api.submit()["id"], epochs).status_code == 422
