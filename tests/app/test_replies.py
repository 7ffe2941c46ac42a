"""What is polled is answered from memory while nothing happens to the job, and never with something old."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from app import notifications
from app.database import get_engine
from app.replies import Replies
from tests.app.conftest import Api

SECONDS = 60


@contextmanager
def statements() -> Iterator[list[str]]:
    """What the API asks of the database meanwhile."""
    asked: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        asked.append(statement)

    engine = get_engine("descent_api", pool_size=20)
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", note)


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


@pytest.fixture
def replies(api: Api) -> Replies:
    """Those of the API, once its hub listens."""
    found: Replies = api.client.app.state.replies  # type: ignore[attr-defined]
    until(api.client.app.state.notifications.hears)  # type: ignore[attr-defined]
    return found


@pytest.fixture
def job(api: Api, run_job: Callable[..., None], add_epoch: Callable[..., int], replies: Replies) -> str:
    """A running job with one epoch; all news of it have been heard."""
    job_id: str = api.submit()["id"]
    run_job(job_id)
    add_epoch(job_id, 1)
    paths = [f"/v1/jobs/{job_id}", f"/v1/jobs/{job_id}/epochs", f"/v1/jobs/{job_id}/epochs?after_seq=99"]
    until(lambda: all(unasked(api, path) for path in paths))
    return job_id


def unasked(api: Api, path: str) -> bool:
    """Whether the second answer costs no query, and is the first one again."""
    first = api.get(path)
    with statements() as asked:
        second = api.get(path)
    assert second.content == first.content or asked
    return not asked


def test_an_unchanged_job_costs_no_query(api: Api, job: str) -> None:
    path = f"/v1/jobs/{job}"
    shown = api.get(path)
    with statements() as asked:
        same = api.get(path, headers={"if-none-match": f'"1", W/{shown.headers["etag"]}'})
        other = api.get(path, headers={"if-none-match": '"1"'})
        nothing_new = api.get(f"{path}/epochs?after_seq=99").json()
    assert asked == []
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", shown.headers["etag"])
    assert (other.status_code, other.json()) == (200, shown.json())
    assert nothing_new == {"object": "list", "data": [], "last_seq": 99, "has_more": False}
    assert {"x-request-id", "content-security-policy"} <= set(same.headers)


def test_news_from_elsewhere_end_it(api: Api, job: str, add_epoch: Callable[..., int]) -> None:
    tag = api.get(f"/v1/jobs/{job}").headers["etag"]
    for epoch in range(2, 6):
        seq = add_epoch(job, epoch)
        until(lambda: api.get(f"/v1/jobs/{job}/epochs").json()["last_seq"] == seq)  # noqa: B023
    assert api.get(f"/v1/jobs/{job}", headers={"if-none-match": tag}).json()["latest"]["epoch"] == 5


def test_whoever_writes_reads_what_was_written(api: Api, job: str) -> None:
    path = f"/v1/jobs/{job}"
    for number in range(30):
        tag = api.get(path).headers["etag"]
        api.get(path, headers={"if-none-match": tag})
        assert api.request("PATCH", path, json={"name": str(number)}).status_code == 200
        shown = api.get(path, headers={"if-none-match": tag})
        assert (shown.status_code, shown.json()["name"]) == (200, str(number))


def test_another_process_hears_of_it(api: Api, job: str, address: str) -> None:
    headers = {"authorization": f"Bearer {api.key}"}
    with httpx.Client(base_url=address, headers=headers, timeout=SECONDS) as other:
        tag = other.get(f"/v1/jobs/{job}").headers["etag"]
        for number in range(5):
            api.request("PATCH", f"/v1/jobs/{job}", json={"name": str(number)})
            seen = {"if-none-match": tag}
            changed = until(lambda: (new := other.get(f"/v1/jobs/{job}", headers=seen)).status_code == 200 and new)  # noqa: B023
            assert changed.json()["name"] == str(number)
            tag = changed.headers["etag"]


def test_without_the_hub_the_database_is_asked(
    api: Api,
    job: str,
    session: Session,
    add_epoch: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    replies: Replies,
) -> None:
    monkeypatch.setattr(notifications, "RECONNECT_SECONDS", 3600.0)
    session.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"))
    session.execute(
        text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query = 'SELECT 1' AND datname = current_database() AND pid <> pg_backend_pid()"
        )
    )
    session.commit()
    hub = api.client.app.state.notifications  # type: ignore[attr-defined]
    until(lambda: not hub.hears())
    for epoch in range(2, 5):
        seq = add_epoch(job, epoch)
        assert api.get(f"/v1/jobs/{job}/epochs").json()["last_seq"] == seq
    assert not unasked(api, f"/v1/jobs/{job}")


def test_what_is_kept_is_the_project_s_own(api: Api, job: str, make_api: Callable[..., Api]) -> None:
    for path in (f"/v1/jobs/{job}", f"/v1/jobs/{job}/epochs"):
        assert unasked(api, path)
        assert make_api("two").get(path).status_code == 404
        assert make_api("one", scopes=()).get(path).status_code == 403
        assert api.get(path, headers={"descent-project": "prj_" + "0" * 26}).status_code == 404
        assert api.client.get(path).status_code == 401


def test_a_queued_job_is_asked_for_each_time(api: Api, replies: Replies) -> None:
    """Why it waits changes without a version."""
    job_id = api.submit()["id"]
    api.get(f"/v1/jobs/{job_id}")
    assert not unasked(api, f"/v1/jobs/{job_id}")


def test_a_deleted_job_is_gone_at_once(api: Api, job: str, end_job: Callable[..., None]) -> None:
    end_job(job)
    assert api.request("DELETE", f"/v1/jobs/{job}").status_code == 204
    assert api.get(f"/v1/jobs/{job}").status_code == 404
    assert api.get(f"/v1/jobs/{job}/epochs").status_code == 404
