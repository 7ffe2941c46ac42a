"""Forks and reproductions, from the API's functions to the rows of real workers."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from app.errors import Conflict, InvalidPayload
from app.jobs import moves
from app.jobs.fork import fork, merged
from app.jobs.reproduction import reproduce
from app.jobs.schemas import Fork
from tests.runs.conftest import PROJECT
from tests.worker.conftest import Workers, example, submit

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

EPOCHS = 4
SPEC = example("digits-cnn-adam", EPOCHS, scheduler={"type": "StepLR", "step_size": 2})


def made(answer: tuple[int, bytes, bool]) -> dict[str, Any]:
    status, body, _ = answer
    assert status == 201
    job: dict[str, Any] = json.loads(body)
    return job


def test_a_fork_outlives_its_parent_and_is_reproduced(workers: Workers, act: Callable[..., Any]) -> None:
    workers.start()
    parent = submit(SPEC)
    with pytest.raises(Conflict):
        fork(PROJECT, parent, Fork(), None)  # it has no checkpoint yet
    assert workers.ended(parent)["status"] == "succeeded"
    with pytest.raises(InvalidPayload) as refused:
        fork(PROJECT, parent, Fork(spec={"optimizer": {"lr": -1}}), None)
    assert refused.value.errors[0]["pointer"] == "/optimizer/lr"
    changed = {"optimizer": {"lr": 0.0005}, "training": {"epochs": 3}, "scheduler": None}
    first = fork(PROJECT, parent, Fork(spec=changed), "a key")
    again = fork(PROJECT, parent, Fork(spec=changed), "a key")
    assert (again[1], again[2]) == (first[1], True)
    job = made(first)
    checkpoint = workers.job(parent)["latest_checkpoint_id"]
    assert job["parent"] == {"job_id": parent, "checkpoint_id": checkpoint}
    assert job["spec"]["optimizer"] == SPEC["optimizer"] | {"lr": 0.0005}
    act(moves.remove, parent)  # the fork holds the checkpoint
    assert workers.ended(job["id"])["error"] is None
    assert [row[0] for row in workers.epochs(job["id"])] == [1, 2, 3]
    told = workers.rows("SELECT data FROM event WHERE job_id = %s AND type = 'forked'", job["id"])[0]["data"]
    assert any(name.startswith("optimizer.") for name in told["restored"])
    assert told["dropped"] == [{"name": "scheduler", "why": "the spec has none"}]
    repeated = made(reproduce(PROJECT, job["id"], None))
    assert repeated["reproduction"]["verdict"] is None
    assert repeated["spec_sha256"] == job["spec_sha256"]
    reproduction = workers.ended(repeated["id"])["reproduction"]
    assert (reproduction["verdict"], reproduction["first_difference"]) == ("bit_exact", None)
    assert reproduction["environment_differs"] is False
    assert workers.epochs(repeated["id"]) == workers.epochs(job["id"])
    held = "SELECT count(*) AS n FROM weights"
    act(moves.remove, job["id"])
    assert workers.rows(held)[0]["n"] == 1
    act(moves.remove, repeated["id"])
    assert workers.rows(held)[0]["n"] == 0


def test_a_reproduction_tells_the_first_difference(workers: Workers) -> None:
    workers.start()
    original = submit(SPEC)
    workers.ended(original)
    changed = "UPDATE epoch SET train_loss = train_loss + 1e-12 WHERE job_id = %s AND epoch > 2 RETURNING epoch"
    workers.rows(changed, original)
    job = made(reproduce(PROJECT, original, None))
    reproduction = workers.ended(job["id"])["reproduction"]
    assert reproduction["verdict"] == "differs"
    difference = reproduction["first_difference"]
    assert (difference["epoch"], difference["column"]) == (3, "train_loss")
    assert float(difference["recorded"]) - float(difference["repeated"]) == pytest.approx(1e-12, rel=0.01)


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch(target: Any, patch: Any, result: Any) -> None:
    assert merged(target, patch) == result
