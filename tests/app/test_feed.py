"""The feed: everything, once, also when transactions commit in another order than they began."""

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from app.database import get_engine
from app.jobs.journal import notify, record_event
from app.models import Job
from tests.app.conftest import Api


def read(api: Api, cursor: str | None = None, query: str = "") -> dict[str, Any]:
    after = f"&after={cursor}" if cursor else ""
    reply = api.get(f"/v1/feed?{query}{after}")
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def test_the_feed_tells_of_jobs_and_rows(api: Api, add_epoch: Callable[..., int]) -> None:
    assert read(api)["data"] == []
    job = api.submit()["id"]
    add_epoch(job, 1)
    news = read(api)
    assert [(entry["kind"], entry["job_id"]) for entry in news["data"]] == [
        ("event", job),
        ("job", job),  # changed last by the epoch's transaction, in which it took its seq
        ("epoch", job),
    ]
    assert news["data"][1]["job"]["latest"]["epoch"] == 1
    assert "spec" not in news["data"][1]["job"]
    assert news["data"][2]["epoch"]["train_loss"] == 1.0
    assert read(api, news["cursor"]) == {"object": "list", "data": [], "cursor": news["cursor"], "has_more": False}
    assert [entry["kind"] for entry in read(api, query="kind=epoch")["data"]] == ["epoch"]


def test_pages_join_without_gap_or_repetition(api: Api, add_epoch: Callable[..., int]) -> None:
    jobs = [api.submit()["id"] for _ in range(2)]
    for epoch in (1, 2, 3):
        for job in jobs:
            add_epoch(job, epoch)
    whole = [entry["cursor"] for entry in read(api)["data"]]
    cursor, pieces = None, []
    while True:
        page = read(api, cursor, "limit=1")
        pieces += [entry["cursor"] for entry in page["data"]]
        cursor = page["cursor"]
        if not page["has_more"]:
            break
    assert pieces == whole
    assert len(set(whole)) == 2 + 2 + 6


def test_two_held_open_writers_lose_nothing(api: Api) -> None:
    """The first to begin commits last. A reader in between must not run past it."""
    a, b = api.submit()["id"], api.submit()["id"]
    cursor = read(api, "now")["cursor"]
    with Session(get_engine()) as slow, Session(get_engine()) as fast:
        record_event(slow, a, "slow", "began first")
        record_event(fast, b, "fast", "began second")
        fast.commit()
        between = read(api, cursor, "kind=event")
        assert between["data"] == []  # held back: it could still be overtaken
        slow.commit()
    after = read(api, between["cursor"], "kind=event")
    assert [entry["event"]["type"] for entry in after["data"]] == ["slow", "fast"]


def test_a_wait_ends_when_the_news_is_settled(api: Api) -> None:
    job = api.submit()["id"]
    cursor = read(api, "now")["cursor"]

    def write() -> None:
        with Session(get_engine()) as older, Session(get_engine()) as session:
            record_event(older, api.submit()["id"], "older", "still open")
            record_event(session, job, "news", "committed")
            session.commit()
            time.sleep(0.3)
            older.rollback()

    thread = threading.Timer(0.2, write)
    thread.start()
    started = time.monotonic()
    found: list[str] = []
    while "news" not in found:
        page = read(api, cursor, "wait=10&kind=event")
        cursor = page["cursor"]
        found += [entry["event"]["type"] for entry in page["data"]]
        assert time.monotonic() - started < 60
    thread.join()


def test_heartbeats_are_no_news(api: Api, session: Session) -> None:
    job = api.submit()["id"]
    cursor = read(api, "now")["cursor"]
    session.execute(update(Job).where(Job.id == job).values(progress_at="2026-01-01T00:00:00Z"))
    notify(session, job)
    session.commit()
    assert read(api, cursor)["data"] == []
    session.execute(update(Job).where(Job.id == job).values(version=Job.version + 1))
    session.commit()
    assert [entry["kind"] for entry in read(api, cursor)["data"]] == ["job"]


def test_the_feed_stays_in_its_project(api: Api, make_api: Callable[..., Api]) -> None:
    api.submit()
    assert read(make_api("two"))["data"] == []


@pytest.mark.parametrize("cursor", ["x", "1.2.3", "1.job_x.3", "-1..0", "%00"])
def test_a_wrong_cursor_is_refused(api: Api, cursor: str) -> None:
    reply = api.get(f"/v1/feed?after={cursor}")
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "/query/after")


def test_the_feed_as_a_stream(address: str, api: Api, add_epoch: Callable[..., int]) -> None:
    job = api.submit()["id"]
    headers = {"authorization": f"Bearer {api.key}", "accept": "text/event-stream"}
    with httpx.stream("GET", f"{address}/v1/feed?kind=epoch&after=now", headers=headers, timeout=60) as reply:
        timer = threading.Timer(0.5, add_epoch, [job, 1])
        timer.start()
        lines = reply.iter_lines()
        seen = [line for line in (next(lines) for _ in range(3)) if line]
        timer.join()
    assert seen[0].startswith("id: ")
    assert seen[1] == "event: epoch"
    assert '"epoch":1' in seen[2]
