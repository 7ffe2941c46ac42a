"""Server-sent events and comparisons."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from app.stream import service
from tests.app.conftest import Api


def frames(text: str) -> list[tuple[str, str | None, dict[str, Any]]]:
    """(event, id, data) of each frame."""
    found = []
    for block in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if lines:
            found.append((lines["event"], lines.get("id"), json.loads(lines["data"])))
    return found


def test_a_stream_tells_all_rows_in_order_and_ends_with_the_job(
    api: Api, run_job: Callable[..., None], add_epoch: Callable[..., int], end_job: Callable[..., None]
) -> None:
    job = api.submit()["id"]

    def live() -> None:
        time.sleep(0.3)
        run_job(job)
        for epoch in (1, 2):
            add_epoch(job, epoch)
        end_job(job)

    thread = threading.Thread(target=live)
    thread.start()
    reply = api.get(f"/v1/jobs/{job}/stream")
    thread.join()
    assert reply.headers["content-type"].startswith("text/event-stream")
    told = frames(reply.text)
    assert [(kind, seq) for kind, seq, _ in told if seq is not None] == [
        ("event", "1"), ("event", "2"), ("epoch", "3"), ("epoch", "4"),
    ]  # fmt: skip
    assert told[-1][0] == "status"
    assert told[-1][2]["status"] == "succeeded"
    assert "spec" not in told[-1][2]


def test_a_stream_goes_on_where_the_client_stopped(
    api: Api, add_epoch: Callable[..., int], end_job: Callable[..., None]
) -> None:
    job = api.submit()["id"]
    for epoch in (1, 2, 3):
        add_epoch(job, epoch)
    end_job(job)
    path = f"/v1/jobs/{job}/stream"
    rest = frames(api.get(path, headers={"last-event-id": "3"}).text)
    assert [(kind, seq) for kind, seq, _ in rest] == [("epoch", "4"), ("status", None)]
    only = frames(api.get(f"{path}?kind=epoch").text)
    assert [kind for kind, _, _ in only] == ["epoch"] * 3
    assert api.get(path, headers={"last-event-id": "4"}).status_code == 204  # an EventSource stops asking


def test_no_row_overtakes_a_longer_series(
    api: Api, add_epoch: Callable[..., int], end_job: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "BATCH", 2)
    job = api.submit()["id"]
    for epoch in range(1, 8):
        add_epoch(job, epoch)
    api.request("PATCH", f"/v1/jobs/{job}", json={"name": "x"})
    api.post(f"/v1/jobs/{job}/cancel")  # an event after all epochs
    seqs = [int(seq) for _, seq, _ in frames(api.get(f"/v1/jobs/{job}/stream").text) if seq is not None]
    assert seqs == list(range(1, 10))


def test_jobs_are_compared(api: Api, add_epoch: Callable[..., int]) -> None:
    a, b = api.submit()["id"], api.submit()["id"]
    for epoch in range(1, 5):
        add_epoch(a, epoch, duration_seconds=0.25)
    add_epoch(b, 1, train_loss=float("nan"))
    query = f"/v1/compare?job_id={a}&job_id={b}&key=train_loss&key=train_accuracy&key=learning_rates.0"
    data = api.get(query).json()["data"]
    assert [(s["job_id"], s["key"]) for s in data] == [
        (job, key) for job in (a, b) for key in ("train_loss", "train_accuracy", "learning_rates.0")
    ]
    assert (data[0]["x"], data[0]["y"]) == ([1, 2, 3, 4], [1.0, 0.5, 1 / 3, 0.25])
    assert (data[1]["y"], data[2]["y"], data[3]["y"]) == ([0.5] * 4, [0.02] * 4, ["NaN"])

    def axis(x: str, points: int = 500) -> list[Any]:
        found: list[Any] = api.get(f"/v1/compare?job_id={a}&x={x}&max_points={points}").json()["data"][0]["x"]
        return found

    assert axis("step") == [5, 10, 15, 20]
    assert axis("samples") == [120, 240, 360, 480]
    assert axis("seconds") == [0.25, 0.5, 0.75, 1.0]
    assert axis("samples", 2) == [120, 480]  # sums go over the rows that are left out


def test_a_comparison_needs_known_jobs(api: Api, make_api: Callable[..., Api]) -> None:
    foreign = make_api("two").submit()["id"]
    assert api.get(f"/v1/compare?job_id={foreign}").status_code == 404
    assert api.get("/v1/compare").status_code == 422
