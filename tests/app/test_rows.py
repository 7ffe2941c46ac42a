"""Epochs, steps, events, attempts and logs: cursors, waits, thinning, CSV."""

import csv
import io
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.jobs.journal import take_seqs
from app.models import Attempt, AttemptLog, Step
from tests.app.conftest import Api


def test_a_cursor_neither_misses_nor_repeats(api: Api, add_epoch: Callable[..., int]) -> None:
    job = api.submit()
    path = f"/v1/jobs/{job['id']}/epochs"
    assert api.get(path).json() == {"object": "list", "data": [], "last_seq": 0, "has_more": False}
    seqs = [add_epoch(job["id"], epoch) for epoch in (1, 2, 3)]
    assert seqs == [2, 3, 4]  # the event `queued` took the first
    first = api.get(f"{path}?limit=2").json()
    assert ([row["epoch"] for row in first["data"]], first["last_seq"], first["has_more"]) == ([1, 2], 3, True)
    rest = api.get(f"{path}?after_seq={first['last_seq']}").json()
    assert ([row["epoch"] for row in rest["data"]], rest["last_seq"], rest["has_more"]) == ([3], 4, False)
    assert api.get(f"{path}?after_seq=4").json()["last_seq"] == 4
    row = rest["data"][0]
    assert set(row) == {
        "seq", "epoch", "attempt", "phase", "train_loss", "validation_loss", "metrics", "learning_rates",
        "gradient_norm", "samples", "duration_seconds", "samples_per_second", "finished_at",
    }  # fmt: skip
    assert (row["train_loss"], row["validation_loss"]) == (1 / 3, 0.1 + 0.2)  # to the bit


def test_numbers_that_are_not_finite_are_words(api: Api, add_epoch: Callable[..., int]) -> None:
    job = api.submit()
    nan, inf = float("nan"), float("inf")
    add_epoch(job["id"], 1, train_loss=nan, validation_loss=inf, learning_rates=[0.1, -inf], gradient_norm=None)
    add_epoch(job["id"], 2, validation_loss=None, extra={"parameters": {"x": 2.0}})
    one, two = api.get(f"/v1/jobs/{job['id']}/epochs").json()["data"]
    assert (one["train_loss"], one["validation_loss"], one["learning_rates"]) == ("NaN", "Infinity", [0.1, "-Infinity"])
    assert (one["gradient_norm"], two["validation_loss"]) == (None, None)
    assert two["parameters"] == {"x": 2.0}


def test_a_wait_is_held_until_a_row_comes(api: Api, add_epoch: Callable[..., int]) -> None:
    job = api.submit()
    timer = threading.Timer(0.4, add_epoch, [job["id"], 1])
    timer.start()
    started = time.monotonic()
    rows = api.get(f"/v1/jobs/{job['id']}/epochs?wait=20").json()["data"]
    assert 0.3 < time.monotonic() - started < 20
    assert [row["epoch"] for row in rows] == [1]
    timer.join()


def test_a_wait_ends_when_the_job_does(api: Api, end_job: Callable[..., None]) -> None:
    job = api.submit()
    timer = threading.Timer(0.4, end_job, [job["id"]])
    timer.start()
    started = time.monotonic()
    assert api.get(f"/v1/jobs/{job['id']}/epochs?wait=20").json()["data"] == []
    assert time.monotonic() - started < 20
    started = time.monotonic()
    assert api.get(f"/v1/jobs/{job['id']}/epochs?wait=20").json()["data"] == []
    assert time.monotonic() - started < 20  # it has ended: nothing will come
    timer.join()


def test_many_waits_do_not_stand_in_the_way(api: Api, add_epoch: Callable[..., int]) -> None:
    """More waits than threads or connections, and a request between them is answered at once."""
    job = api.submit()
    with ThreadPoolExecutor(60) as pool:
        waits = [pool.submit(api.get, f"/v1/jobs/{job['id']}/epochs?wait=30") for _ in range(60)]
        time.sleep(1.0)
        started = time.monotonic()
        assert api.get(f"/v1/jobs/{job['id']}").status_code == 200
        assert time.monotonic() - started < 20
        add_epoch(job["id"], 1)
        assert {len(wait.result(60).json()["data"]) for wait in waits} == {1}


def test_a_whole_run_is_thinned_between_its_ends(api: Api, add_epoch: Callable[..., int]) -> None:
    job = api.submit()
    for epoch in range(1, 12):
        add_epoch(job["id"], epoch)

    def epochs(max_points: int) -> list[int]:
        rows = api.get(f"/v1/jobs/{job['id']}/epochs?max_points={max_points}").json()["data"]
        return [row["epoch"] for row in rows]

    assert epochs(6) == [1, 3, 5, 7, 9, 11]
    assert epochs(2) == [1, 11]
    assert epochs(1) == [1]
    assert epochs(11) == epochs(1000) == list(range(1, 12))


def test_csv_has_a_column_for_each_value(api: Api, add_epoch: Callable[..., int]) -> None:
    job = api.submit()
    add_epoch(job["id"], 1, learning_rates=[0.1, 0.2])
    add_epoch(job["id"], 2, train_loss=float("nan"), learning_rates=[0.1, 0.2])
    reply = api.get(f"/v1/jobs/{job['id']}/epochs?format=csv")
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    one, two = csv.DictReader(io.StringIO(reply.text))
    assert (one["epoch"], one["learning_rates.1"], one["metrics.train_accuracy"]) == ("1", "0.2", "0.5")
    assert float(one["validation_loss"]) == 0.1 + 0.2
    assert two["train_loss"] == "NaN"


def test_steps_are_asked_for_the_same_way(api: Api, session: Session) -> None:
    job = api.submit()
    for step in (10, 20):
        seq = take_seqs(session, job["id"])
        row: dict[str, Any] = {"epoch": 1, "attempt": 1, "train_loss": 0.5, "learning_rates": [0.1]}
        session.add(Step(job_id=job["id"], project_id=api.project_id, step=step, seq=seq, **row))
    session.commit()
    rows = api.get(f"/v1/jobs/{job['id']}/steps").json()
    assert [(row["step"], row["seq"]) for row in rows["data"]] == [(10, 2), (20, 3)]
    assert "validation_loss" not in rows["data"][0]
    assert [row["step"] for row in api.get(f"/v1/jobs/{job['id']}/steps?max_points=1").json()["data"]] == [10]


def test_attempts_and_logs(api: Api, session: Session) -> None:
    job = api.submit()
    path = f"/v1/jobs/{job['id']}"
    empty = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    assert api.get(f"{path}/attempts").json() == empty
    assert api.get(f"{path}/logs").json()["lines"] == []
    mine = {"job_id": job["id"], "project_id": api.project_id}
    for attempt, cause in ((1, "trainer_died"), (2, "succeeded")):
        session.add(Attempt(**mine, attempt=attempt, worker_id="wrk_1", host="h", device="cpu", cause=cause))
        session.add(AttemptLog(**mine, attempt=attempt, piece=1, text=f"line 1 of {attempt}\nline 2 of {attempt}, "))
        session.add(AttemptLog(**mine, attempt=attempt, piece=2, text="cut in two\nlast\n"))
    session.commit()
    causes = [attempt["cause"] for attempt in api.get(f"{path}/attempts").json()["data"]]
    assert causes == ["trainer_died", "succeeded"]
    newest = api.get(f"{path}/logs").json()
    assert (newest["attempt"], newest["truncated"]) == (2, False)
    assert newest["lines"] == ["line 1 of 2", "line 2 of 2, cut in two", "last"]
    short = api.get(f"{path}/logs?attempt=1&tail=1").json()
    assert (short["lines"], short["truncated"]) == (["last"], True)
    assert api.get(f"{path}/logs?attempt=3").status_code == 404


@pytest.mark.parametrize(
    "query",
    ["after_seq=-1", "after_seq=x", "limit=0", "limit=10001", "wait=61", "wait=nan", "format=xml", "max_points=0"],
)
def test_wrong_parameters_are_refused(api: Api, query: str) -> None:
    job = api.submit()
    assert api.get(f"/v1/jobs/{job['id']}/epochs?{query}").status_code == 422
