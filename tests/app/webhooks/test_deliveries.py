"""Webhooks from the API to a real receiver."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from app.ids import new_id
from app.jobs.journal import take_seqs
from app.jobs.lifecycle import transition
from app.models import Checkpoint, Job, Webhook, WebhookDelivery
from app.webhooks.deliverer import attempt, claim
from tests.app.conftest import SPEC, Api
from tests.app.webhooks.receiver import Receiver, receiving
from tests.conftest import clear_caches


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESCENT_WEBHOOK_NETWORKS", "127.0.0.0/8,::1/128")
    clear_caches()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def subscribe(api: Api, receiver: Receiver, **body: Any) -> dict[str, Any]:
    reply = api.post("/v1/webhooks", json={"url": receiver.url, **body})
    assert reply.status_code == 201, reply.text
    made: dict[str, Any] = reply.json()
    return made


def log(api: Api, hook: dict[str, Any], status: str | None = None) -> list[dict[str, Any]]:
    query = {"status": status} if status else {}
    found: list[dict[str, Any]] = api.get(f"/v1/webhooks/{hook['id']}/deliveries", params=query).json()["data"]
    return found


def until(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 60
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def count_of(session: Session) -> int:
    session.rollback()  # a new look
    return session.query(WebhookDelivery).count()


def test_a_jobs_life_is_told_and_signed(
    api: Api, receiver: Receiver, session: Session, run_job: Callable[..., None]
) -> None:
    hook = subscribe(api, receiver)
    job = api.submit()["id"]
    run_job(job)
    seq = take_seqs(session, job)
    row = {"job_id": job, "project_id": api.project_id, "seq": seq, "epoch": 1, "step": 5, "attempt": 1}
    values = {"path": "jobs/x", "bytes": 9, "sha256": "0", "values": {"train_loss": 0.5}, "reason": "interval"}
    session.add(Checkpoint(id=new_id("ckpt"), **row, **values))
    session.commit()
    transition(session, job, ["running"], "queued")
    session.commit()
    run_job(job)
    transition(session, job, ["running"], "failed", error={"code": "diverged", "message": "m", "detail": None})
    session.commit()
    api.post(f"/v1/jobs/{job}/resume")
    api.post(f"/v1/jobs/{job}/pause")
    api.post(f"/v1/jobs/{job}/cancel")
    wanted = ["job.queued", "job.running", "checkpoint.created", "job.interrupted", "job.running", "job.failed"]
    wanted += ["job.resumed", "job.paused", "job.cancelled"]
    received = receiver.wait(len(wanted))
    assert sorted(one.message["type"] for one in received) == sorted(wanted)
    assert all(one.is_signed_by(hook["secret"]) for one in received)
    assert all(one.headers["host"] in receiver.url for one in received)
    failed = next(one.message for one in received if one.message["type"] == "job.failed")
    assert (failed["data"]["id"], failed["data"]["status"]) == (job, "failed")
    assert failed["data"]["error"]["code"] == "diverged"
    assert failed["data"]["metadata"] == {"team": "a"}
    assert failed["timestamp"].endswith("Z")
    delivered = until(lambda: len(found := log(api, hook, "delivered")) == len(wanted) and found)
    assert {entry["id"] for entry in delivered} == {one.id for one in received}
    assert delivered[0]["last_attempt"]["response"] == "thanks"


def test_only_what_was_asked_for_and_only_the_projects_own(
    api: Api, make_api: Callable[..., Api], receiver: Receiver
) -> None:
    hook = subscribe(api, receiver, events=["job.cancelled"])
    other = make_api("two")
    other.post(f"/v1/jobs/{other.submit()['id']}/cancel")
    job = api.submit()["id"]
    api.post(f"/v1/jobs/{job}/cancel")
    receiver.wait(1)
    time.sleep(0.3)
    assert [(one.message["type"], one.message["data"]["id"]) for one in receiver.received] == [("job.cancelled", job)]
    path = f"/v1/webhooks/{hook['id']}"
    message = receiver.received[0].id
    for method, route in (
        ("GET", path),
        ("PATCH", path),
        ("DELETE", path),
        ("POST", f"{path}/test"),
        ("GET", f"{path}/deliveries"),
        ("POST", f"{path}/deliveries/{message}/redeliver"),
    ):
        assert other.request(method, route).status_code == 404, route
    assert other.get("/v1/webhooks").json()["data"] == []


def test_what_is_rolled_back_is_not_told(api: Api, receiver: Receiver, session: Session) -> None:
    hook = subscribe(api, receiver)
    job = api.submit()["id"]
    transition(session, job, ["queued"], "cancelled")
    session.rollback()
    receiver.wait(1)
    time.sleep(0.2)
    assert [entry["type"] for entry in log(api, hook)] == ["job.queued"]


def test_a_failure_is_tried_again_under_the_same_id(api: Api, receiver: Receiver, session: Session) -> None:
    receiver.status, receiver.answer = 500, b"\0" + b"x" * 5000
    hook = subscribe(api, receiver)
    api.submit()
    receiver.wait(1)
    entry = until(lambda: [e for e in log(api, hook, "pending") if e["last_attempt"]])[0]
    assert (entry["attempts"], entry["last_attempt"]["status_code"]) == (1, 500)
    assert len(entry["last_attempt"]["response"]) == 1024
    assert api.get(f"/v1/webhooks/{hook['id']}").json()["failing_since"] is not None
    receiver.status = 204
    receiver.answer = b""
    session.execute(text("UPDATE webhook_delivery SET next_at = now()"))
    session.commit()
    first, second = receiver.wait(2)
    assert first.id == second.id
    assert first.body == second.body
    until(lambda: log(api, hook, "delivered"))
    assert api.get(f"/v1/webhooks/{hook['id']}").json()["failing_since"] is None


def test_the_last_attempt_fails_and_a_person_sends_it_again(api: Api, receiver: Receiver, session: Session) -> None:
    receiver.status = 503
    hook = subscribe(api, receiver)
    api.submit()
    receiver.wait(1)
    until(lambda: [e for e in log(api, hook, "pending") if e["last_attempt"]])
    session.execute(text("UPDATE webhook_delivery SET next_at = now(), attempts = 10"))
    session.commit()
    failed = until(lambda: log(api, hook, "failed"))[0]
    assert (failed["attempts"], failed["next_attempt_at"]) == (11, None)
    receiver.status = 200
    again = api.post(f"/v1/webhooks/{hook['id']}/deliveries/{failed['id']}/redeliver")
    assert (again.status_code, again.json()["status"], again.json()["attempts"]) == (202, "pending", 0)
    until(lambda: log(api, hook, "delivered"))
    assert receiver.received[-1].id == failed["id"]
    unknown = f"/v1/webhooks/{hook['id']}/deliveries/{new_id('msg')}/redeliver"
    assert api.post(unknown).status_code == 404


@pytest.mark.parametrize(("status", "since"), [(410, "1 second"), (500, "6 days")])
def test_a_receiver_that_is_gone_is_left_alone(
    api: Api, receiver: Receiver, session: Session, status: int, since: str
) -> None:
    receiver.status = status
    hook = subscribe(api, receiver)
    path = f"/v1/webhooks/{hook['id']}"
    session.execute(text(f"UPDATE webhook SET failing_since = now() - interval '{since}'"))
    session.commit()
    assert api.post(f"{path}/test").status_code == 202
    found = until(lambda: (h := api.get(path).json()) and not h["enabled"] and h)
    assert ("410" if status == 410 else "5 days") in found["disabled_reason"]
    assert api.post(f"{path}/test").status_code == 409
    api.submit()
    assert len(receiver.received) == 1
    receiver.status = 200
    assert api.request("PATCH", path, json={"enabled": True}).json()["disabled_reason"] is None
    session.execute(text("UPDATE webhook_delivery SET next_at = now()"))
    session.commit()
    receiver.wait(2)
    assert {one.message["type"] for one in receiver.received} == {"webhook.test"}


def test_no_redirect_is_followed(api: Api, receiver: Receiver) -> None:
    receiver.status, receiver.headers = 307, {"location": receiver.url}
    hook = subscribe(api, receiver)
    api.post(f"/v1/webhooks/{hook['id']}/test")
    entry = until(lambda: [e for e in log(api, hook, "pending") if e["last_attempt"]])[0]
    assert "redirects are not followed" in entry["last_attempt"]["error"]
    assert len(receiver.received) == 1


def test_two_processes_never_claim_one_delivery(api: Api, session: Session) -> None:
    values = {"project_id": api.project_id, "url": "http://127.0.0.1:9/", "secret": "whsec_" + "A" * 44}
    for hook in ("wh_1", "wh_2"):
        session.add(Webhook(id=hook, **values))
    session.flush()
    later = text("UPDATE webhook_delivery SET next_at = now() + interval '1 hour', attempts = 0")
    for hook in ("wh_1", "wh_1", "wh_1", "wh_2"):
        row = {"type": "t", "subject": "s", "payload": {}, "project_id": api.project_id}
        session.add(WebhookDelivery(webhook_id=hook, **row))
    session.flush()
    session.execute(later)  # out of the way of the API's own thread
    session.execute(update(WebhookDelivery).values(next_at=text("now() - interval '1 minute'"), claimed_until=None))
    session.commit()
    first, second = claim(10), claim(10)
    ids = [due.id for due in first + second]
    assert len(ids) == len(set(ids))
    assert sum(due.webhook_id == "wh_1" for due in first) <= 2
    for due in first + second:
        attempt(due)
    assert all(row.error == "No answer: ConnectionRefusedError" for row in session.query(WebhookDelivery) if row.error)


def test_a_sweep_has_ended_once(api: Api, receiver: Receiver, session: Session) -> None:
    hook = subscribe(api, receiver, events=["sweep.ended"])
    body = {"spec": SPEC, "over": {"/seed": [1, 2, 3]}, "objective": {"monitor": "train_loss", "mode": "min"}}
    sweep = api.post("/v1/sweeps", json=body).json()
    jobs = [point["job_id"] for point in sweep["points"]]
    api.post(f"/v1/jobs/{jobs[0]}/cancel")
    until(lambda: count_of(session) == 0)
    ending = {"lease_until": None, "worker_id": None}
    for job in jobs[1:]:
        session.execute(update(Job).where(Job.id == job).values(status="succeeded", **ending))
    session.commit()
    receiver.wait(1)
    time.sleep(0.3)
    assert len(receiver.received) == 1
    message = receiver.received[0].message
    assert (message["type"], message["data"]["id"], message["data"]["status"]) == (
        "sweep.ended",
        sweep["id"],
        "succeeded",
    )
    assert message["data"]["counts"] == {"cancelled": 1, "succeeded": 2}
    assert len(log(api, hook)) == 1


def test_a_webhook_is_made_listed_changed_and_removed(api: Api, receiver: Receiver) -> None:
    secret = "whsec_" + "QUJD" * 8
    hook = subscribe(api, receiver, events=["job.failed"], name="pager", secret=secret)
    assert (hook["object"], hook["secret"], hook["enabled"]) == ("webhook", secret, True)
    path = f"/v1/webhooks/{hook['id']}"
    assert "secret" not in api.get(path).json()
    assert [h["id"] for h in api.get("/v1/webhooks").json()["data"]] == [hook["id"]]
    changed = api.request("PATCH", path, json={"events": None, "enabled": False}).json()
    assert (changed["events"], changed["enabled"], changed["disabled_reason"] is None) == (None, False, False)
    assert api.request("DELETE", path).status_code == 204
    assert api.get(path).status_code == 404
    assert {entry["path"] for entry in api.get("/v1/audit").json()["data"]} == {"/v1/webhooks", path}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"events": ["job.exploded"]}, "/events/0"),
        ({"events": []}, "/events"),
        ({"secret": "whsec_short"}, "/secret"),
        ({"secret": "QUJD" * 8}, "/secret"),
        ({"url": "ftp://example.com/"}, "/url"),
        ({"url": "http://user:pw@example.com/"}, "/url"),
        ({"url": "https://10.0.0.1/"}, "/url"),
        ({"more": 1}, "/more"),
    ],
)
def test_a_wrong_webhook_is_refused(api: Api, change: dict[str, Any], pointer: str) -> None:
    reply = api.post("/v1/webhooks", json={"url": "https://example.com/"} | change)
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, pointer)
