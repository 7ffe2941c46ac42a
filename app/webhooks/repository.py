"""All SQL of webhooks as their project sees them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from app.models import Project, Webhook, WebhookDelivery


def lock_project(session: Session, project_id: str) -> None:
    session.execute(select(Project.id).where(Project.id == project_id).with_for_update(key_share=True))


def count(session: Session) -> int:
    return session.execute(select(func.count()).select_from(Webhook)).scalar_one()


def add(session: Session, values: Mapping[str, Any]) -> Webhook:
    return session.execute(insert(Webhook).values(**values).returning(Webhook)).scalar_one()


def get(session: Session, webhook_id: str) -> Webhook | None:
    return session.scalar(select(Webhook).where(Webhook.id == webhook_id))


def listing(session: Session, *, after: str | None, limit: int, newest_first: bool) -> Sequence[Webhook]:
    statement = select(Webhook)
    if after is not None:
        statement = statement.where(Webhook.id < after if newest_first else Webhook.id > after)
    return session.scalars(statement.order_by(Webhook.id.desc() if newest_first else Webhook.id).limit(limit + 1)).all()


def remove(session: Session, webhook_id: str) -> bool:
    statement = delete(Webhook).where(Webhook.id == webhook_id).returning(Webhook.id)
    return session.execute(statement).first() is not None


def deliveries(
    session: Session, webhook_id: str, *, status: str | None, after: str | None, limit: int, newest_first: bool
) -> Sequence[WebhookDelivery]:
    column = WebhookDelivery.id
    statement = select(WebhookDelivery).where(
        WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.status != "held"
    )
    if status is not None:
        statement = statement.where(WebhookDelivery.status == status)
    if after is not None:
        statement = statement.where(column < after if newest_first else column > after)
    return session.scalars(statement.order_by(column.desc() if newest_first else column).limit(limit + 1)).all()


def get_delivery(session: Session, webhook_id: str, delivery_id: str) -> WebhookDelivery | None:
    return session.scalar(
        select(WebhookDelivery).where(
            WebhookDelivery.webhook_id == webhook_id,
            WebhookDelivery.id == delivery_id,
            WebhookDelivery.status != "held",
        )
    )


def add_delivery(session: Session, values: Mapping[str, Any]) -> WebhookDelivery:
    found = session.execute(insert(WebhookDelivery).values(**values).returning(WebhookDelivery)).scalar_one()
    announce(session)
    return found


def send_again(session: Session, delivery_id: str) -> None:
    """From the first attempt on; one that is being attempted now is left to that attempt."""
    values = {"status": "pending", "attempts": 0, "next_at": func.now(), "claimed_until": None, "delivered_at": None}
    session.execute(update(WebhookDelivery).where(WebhookDelivery.id == delivery_id).values(**values))
    announce(session)


def announce(session: Session) -> None:
    session.execute(select(func.pg_notify("descent_webhook", "")))
