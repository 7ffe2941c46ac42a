"""The client against the real API."""

import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from descent import Client
from descent.errors import (
    Conflict,
    InvalidPayload,
    JobFailed,
    NoConnection,
    NotFound,
    NotReachable,
    PreconditionFailed,
    Unauthorized,
    WaitTimeout,
)
from descent.types import StreamEvent
from tests.descent.conftest import SPEC, Address, Server

Run = Callable[..., None]
AddEpoch = Callable[..., int]


def in_background(*actions: Callable[[], Any], pause: float = 0.2) -> threading.Thread:
    def run() -> None:
        for action in actions:
            time.sleep(pause)
            action()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_job_is_submitted_once_whatever_is_repeated(client: Client) -> None:
    job = client.submit(SPEC, idempotency_key="mine")
    assert (job["object"], job["status"], job["name"]) == ("job", "queued", "iris")
    assert client.submit(SPEC, idempotency_key="mine")["id"] == job["id"]
    assert client.submit(SPEC)["id"] != job["id"]
    assert client.job(job) == client.job(job["id"])
    assert list(client.job(job)["spec"]) == list(SPEC)


def test_a_wrong_spec_is_one_line_with_pointers(client: Client) -> None:
    with pytest.raises(InvalidPayload) as caught:
        client.submit({**SPEC, "optimizer": {"type": "Adam", "lr": -1}, "nonsense": 1})
    error = caught.value
    assert (error.status, error.code) == (422, "invalid_spec")
    assert {found["pointer"] for found in error.errors} == {"/optimizer/lr", "/nonsense"}
    assert "/optimizer/lr" in str(error)
    assert "\n" not in str(error)


def test_other_refusals_have_names(client: Client, address: Address, end_job: Run) -> None:
    with pytest.raises(NotFound):
        client.job("job_" + "0" * 26)
    with pytest.raises(Unauthorized, match="key"):
        Client(address.url, "dsk_wrong").jobs_page()
    job = client.submit(SPEC)
    end_job(job["id"])
    with pytest.raises(Conflict, match="succeeded"):
        client.pause(job)
    with pytest.raises(PreconditionFailed):
        client.update(job, name="late", if_version=1)


def test_lists_go_over_their_pages(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [client.submit({**SPEC, "metadata": {"n": str(n % 2)}})["id"] for n in range(5)]
    page = client.jobs_page(limit=2)
    assert ([job["id"] for job in page["data"]], page["has_more"]) == (ids[:2:-1], True)
    monkeypatch.setattr("descent.routes.jobs.PAGE_JOBS", 2)
    assert [job["id"] for job in client.jobs(order="asc")] == ids
    assert [job["id"] for job in client.jobs(limit=3)] == ids[:1:-1]
    assert [job["id"] for job in client.jobs(metadata={"n": "1"}, status=["queued", "running"])] == [ids[3], ids[1]]
    assert list(client.jobs(status="running")) == []
    assert "spec" not in client.jobs_page(limit=1)["data"][0]
    assert "spec" in client.jobs_page(limit=1, view="full")["data"][0]


def test_a_job_is_moved_changed_and_removed(client: Client) -> None:
    job = client.submit(SPEC)
    assert client.pause(job)["status"] == "paused"
    assert client.pause(job)["status"] == "paused"
    assert client.resume(job)["status"] == "queued"
    assert client.cancel(job)["status"] == "cancelled"
    changed = client.update(job, name="better", metadata={"a": "b"}, priority=3)
    assert (changed["name"], changed["metadata"], changed["priority"]) == ("better", {"a": "b"}, 3)
    client.delete(job)
    with pytest.raises(NotFound):
        client.job(job)


def test_rows_are_followed_until_the_end(client: Client, run_job: Run, add_epoch: AddEpoch, end_job: Run) -> None:
    job = client.submit(SPEC)
    run_job(job["id"])
    add_epoch(job["id"], 1)
    thread = in_background(
        lambda: add_epoch(job["id"], 2, train_loss=0.1 + 0.2),
        lambda: add_epoch(job["id"], 3, train_loss=math.nan, learning_rates=[math.inf]),
        lambda: end_job(job["id"]),
    )
    rows = list(client.epochs_follow(job))
    thread.join()
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert rows[1]["train_loss"] == 0.1 + 0.2
    assert math.isnan(rows[2]["train_loss"])
    assert rows[2]["learning_rates"] == [math.inf]
    assert [row["seq"] for row in client.epochs(job, after_seq=rows[0]["seq"])] == [row["seq"] for row in rows[1:]]
    assert [row["epoch"] for row in client.epochs_page(job, max_points=2)["data"]] == [1, 3]
    lines = client.epochs_csv(job).splitlines()
    assert len(lines) == 4
    assert "metrics.train_accuracy" in lines[0]


def test_long_series_come_in_pages(
    client: Client, add_epoch: AddEpoch, end_job: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = client.submit(SPEC)
    for epoch in range(1, 8):
        add_epoch(job["id"], epoch)
    end_job(job["id"])
    monkeypatch.setattr("descent.routes.rows.PAGE_ROWS", 3)
    monkeypatch.setattr("descent.routes.rows.CSV_ROWS", 3)
    assert [row["epoch"] for row in client.epochs(job)] == list(range(1, 8))
    assert [row["epoch"] for row in client.epochs_follow(job)] == list(range(1, 8))
    lines = client.epochs_csv(job).splitlines()
    assert [line.split(",")[1] for line in lines] == ["epoch", *map(str, range(1, 8))]


def test_waiting_ends_with_the_job(client: Client, run_job: Run, end_job: Run) -> None:
    job = client.submit(SPEC)
    with pytest.raises(WaitTimeout, match="still queued"):
        client.wait(job, timeout=0.2)
    thread = in_background(lambda: run_job(job["id"]), lambda: end_job(job["id"], "failed"))
    assert client.wait(job, until={"running"}, timeout=60)["status"] == "running"
    assert client.wait(job, timeout=60)["status"] == "failed"
    thread.join()
    with pytest.raises(JobFailed, match=job["id"]):
        client.wait(job, check=True)


def test_events_attempts_and_logs(client: Client, run_job: Run) -> None:
    job = client.submit(SPEC)
    run_job(job["id"])
    assert [event["type"] for event in client.events(job)] == ["queued", "started"]
    assert client.attempts(job) == []
    assert client.logs(job)["lines"] == []
    assert client.steps(job) == []
    assert list(client.checkpoints(job)) == []


def test_a_stream_tells_everything_and_is_taken_up_again(
    client: Client, run_job: Run, add_epoch: AddEpoch, end_job: Run
) -> None:
    job = client.submit(SPEC)
    run_job(job["id"])
    add_epoch(job["id"], 1)
    thread = in_background(lambda: add_epoch(job["id"], 2), lambda: end_job(job["id"]))
    told = list(client.stream(job))
    thread.join()
    rows = [(event["type"], event["id"]) for event in told if event["type"] != "status"]
    assert rows == [("event", 1), ("event", 2), ("epoch", 3), ("epoch", 4)]
    assert told[-1]["data"]["status"] == "succeeded"
    assert [event["data"]["epoch"] for event in client.stream(job, after_seq=3, kinds=["epoch"])] == [2]


def test_the_feed_tells_of_all_jobs(client: Client, run_job: Run, add_epoch: AddEpoch) -> None:
    start = client.feed_page(after="now")["cursor"]
    one, two = client.submit(SPEC)["id"], client.submit(SPEC)["id"]
    thread = in_background(lambda: run_job(two), lambda: add_epoch(two, 1), lambda: add_epoch(one, 1))
    entries = client.feed(after=start, kinds=["event", "epoch"])
    told = [next(entries) for _ in range(5)]
    thread.join()
    assert [(entry["kind"], entry["job_id"]) for entry in told] == [
        ("event", one),
        ("event", two),
        ("event", two),
        ("epoch", two),
        ("epoch", one),
    ]
    assert told[-1]["epoch"]["train_loss"] == 1.0


def test_a_restart_of_the_service_is_outlived(
    client: Client, server: Server, run_job: Run, add_epoch: AddEpoch, end_job: Run
) -> None:
    job = client.submit(SPEC)
    run_job(job["id"])
    add_epoch(job["id"], 1)
    told: list[StreamEvent] = []
    server.stop()
    restarted: list[Server] = []

    def restart() -> None:
        restarted.append(Server.start(server.port))

    threads = [in_background(restart, lambda: add_epoch(job["id"], 2), lambda: end_job(job["id"]), pause=0.5)]
    threads.append(threading.Thread(target=lambda: told.extend(client.stream(job, kinds=["epoch"]))))
    threads[-1].start()
    seen = list(client.epochs_follow(job))
    for thread in threads:
        thread.join()
    restarted[0].stop()
    assert [row["epoch"] for row in seen] == [1, 2]
    assert [event["data"]["epoch"] for event in told] == [1, 2]


def test_who_is_there(client: Client) -> None:
    assert client.healthy()
    assert not client.ready()
    assert client.me()["scopes"] == ["admin", "read", "write"]
    assert client.workers() == []
    assert {queue["queue"] for queue in client.queues()} <= {"cpu", "cuda", "previews"}
    assert client.openapi()["info"]["title"] == "Descent"


def test_jobs_are_compared(client: Client, add_epoch: AddEpoch) -> None:
    job = client.submit(SPEC)
    add_epoch(job["id"], 1, train_loss=math.nan)
    series = client.compare([job], ["train_loss", "train_accuracy"], x="samples")
    assert [one["key"] for one in series] == ["train_loss", "train_accuracy"]
    assert math.isnan(series[0]["y"][0])


def test_a_data_set_is_uploaded(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "flowers.csv"
    file.write_text("length,width,species\n" + "5.1,3.5,setosa\n6.2,2.2,virginica\n" * 10)
    made = client.upload_dataset("flowers", file, target="species")
    assert (made["version"], made["samples"], made["classes"]) == (1, 20, 2)
    assert [found["id"] for found in client.datasets(name="flowers")] == [made["id"]]
    assert client.dataset(made["id"])["sha256"] == made["sha256"]
    client.delete_dataset(made["id"])
    assert list(client.datasets()) == []


def test_nothing_there_is_said_soon() -> None:
    with (
        Client("http://127.0.0.1:9", "dsk_x", patience=0.3) as client,
        pytest.raises(NotReachable, match="no answer from"),
    ):
        client.jobs_page()
    with pytest.raises(NoConnection, match="not an address"):
        Client("localhost:8000", "dsk_x")
