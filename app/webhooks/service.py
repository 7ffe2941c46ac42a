"""What can be done with webhooks. Services flush; the edge commits."""

from datetime import UTC, datetime
from typing import Any

from app.database import ProjectSession
from app.errors import Conflict, NotFound, TooManyRequests
from app.ids import new_id
from app.lists import page
from app.models import Webhook, WebhookDelivery
from app.webhooks import repository, signing
from app.webhooks.schemas import NewWebhook, WebhookChange

Document = dict[str, Any]

MOST = 20
"""Webhooks of one project: each one multiplies what every event writes."""


def webhook_document(webhook: Webhook) -> Document:
    shown = ("name", "url", "events", "enabled", "disabled_reason", "failing_since", "created_at")
    return {"id": webhook.id, "object": "webhook", **{name: getattr(webhook, name) for name in shown}}


def delivery_document(delivery: WebhookDelivery) -> Document:
    last = {
        "at": delivery.attempted_at,
        "status_code": delivery.status_code,
        "error": delivery.error,
        "response": delivery.response,
        "duration_ms": delivery.duration_ms,
    }
    return {
        "id": delivery.id,
        "object": "webhook_delivery",
        "webhook_id": delivery.webhook_id,
        "type": delivery.type,
        "subject": delivery.subject,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "next_attempt_at": delivery.next_at if delivery.status == "pending" else None,
        "last_attempt": None if delivery.attempted_at is None else last,
        "payload": delivery.payload,
        "created_at": delivery.created_at,
        "delivered_at": delivery.delivered_at,
    }


def create(session: ProjectSession, wanted: NewWebhook) -> Document:
    """The only answer that has the secret. Raises TooManyRequests."""
    assert session.project_id is not None
    repository.lock_project(session, session.project_id)
    if repository.count(session) >= MOST:
        raise TooManyRequests(f"A project has at most {MOST} webhooks.", retry_after=3600)
    values = wanted.model_dump() | {"secret": wanted.secret or signing.new_secret()}
    webhook = repository.add(session, {"id": new_id("wh"), "project_id": session.project_id, **values})
    return webhook_document(webhook) | {"secret": webhook.secret}


def find(session: ProjectSession, webhook_id: str) -> Webhook:
    """Raises NotFound."""
    webhook = repository.get(session, webhook_id)
    if webhook is None:
        raise NotFound("There is no such webhook.")
    return webhook


def show(session: ProjectSession, webhook_id: str) -> Document:
    return webhook_document(find(session, webhook_id))


def listing(session: ProjectSession, *, after: str | None, limit: int, newest_first: bool) -> Document:
    rows = repository.listing(session, after=after, limit=limit, newest_first=newest_first)
    return page([webhook_document(row) for row in rows], limit)


def change(session: ProjectSession, webhook_id: str, wanted: WebhookChange) -> Document:
    webhook = find(session, webhook_id)
    for name in wanted.model_fields_set:
        setattr(webhook, name, getattr(wanted, name))
    if "enabled" in wanted.model_fields_set:
        webhook.disabled_reason = None if wanted.enabled else "It was disabled on request."
        webhook.failing_since = None
        repository.announce(session)  # what has waited is due
    session.flush()
    return webhook_document(webhook)


def remove(session: ProjectSession, webhook_id: str) -> None:
    """With its deliveries. Raises NotFound."""
    if not repository.remove(session, webhook_id):
        raise NotFound("There is no such webhook.")


def sendable(session: ProjectSession, webhook_id: str) -> Webhook:
    """Raises NotFound, Conflict for one that is disabled."""
    webhook = find(session, webhook_id)
    if not webhook.enabled:
        raise Conflict("The webhook is disabled; enable it first.", code="state_conflict")
    return webhook


def test(session: ProjectSession, webhook_id: str) -> Document:
    """A message of the type `webhook.test`, sent as every other one is."""
    webhook = sendable(session, webhook_id)
    payload = {
        "type": "webhook.test",
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "data": {"id": webhook.id, "object": "webhook", "name": webhook.name},
    }
    values = {"webhook_id": webhook.id, "project_id": webhook.project_id, "type": "webhook.test"}
    return delivery_document(repository.add_delivery(session, {**values, "subject": webhook.id, "payload": payload}))


def deliveries(
    session: ProjectSession, webhook_id: str, *, status: str | None, after: str | None, limit: int, newest_first: bool
) -> Document:
    find(session, webhook_id)
    rows = repository.deliveries(
        session, webhook_id, status=status, after=after, limit=limit, newest_first=newest_first
    )
    return page([delivery_document(row) for row in rows], limit)


def redeliver(session: ProjectSession, webhook_id: str, delivery_id: str) -> Document:
    """The same message again, with the same id. Raises NotFound, Conflict."""
    webhook = sendable(session, webhook_id)
    delivery = repository.get_delivery(session, webhook.id, delivery_id)
    if delivery is None:
        raise NotFound("There is no such delivery.")
    repository.send_again(session, delivery.id)
    session.refresh(delivery)
    return delivery_document(delivery)
