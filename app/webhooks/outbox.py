"""All SQL of the outbox: what is due, who sends it, what became of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.jobs.lifecycle import ENDED
from app.models import Job, WebhookDelivery
from app.sweeps.documents import status_of
from app.sweeps.repository import get_sweep
from app.webhooks.sending import Answer

CLAIM_SECONDS = 120
"""Longer than any attempt takes; past it another process tries again."""
AT_A_TIME = 2
"""Attempts at one webhook at the same time: a slow receiver does not keep the others waiting."""
PAUSES = (5, 60, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
"""Seconds between the attempts, a tenth more or less; after the last one the delivery has failed."""
LONG_FAILURE = "5 days"
KEPT = "30 days"

CLAIM = text("""
WITH busy AS (
  SELECT webhook_id, count(*) AS deliveries FROM webhook_delivery
  WHERE status = 'pending' AND claimed_until > now() GROUP BY webhook_id
), due AS (
  SELECT d.id, row_number() OVER (PARTITION BY d.webhook_id ORDER BY d.next_at, d.id) AS place, d.webhook_id
  FROM webhook_delivery d JOIN webhook w ON w.id = d.webhook_id AND w.enabled
  WHERE d.status = 'pending' AND d.next_at <= now() AND coalesce(d.claimed_until, '-infinity') < now()
), chosen AS (
  SELECT d.id FROM webhook_delivery d JOIN due USING (id) LEFT JOIN busy ON busy.webhook_id = due.webhook_id
  WHERE due.place + coalesce(busy.deliveries, 0) <= :at_a_time
    AND d.status = 'pending' AND d.next_at <= now() AND coalesce(d.claimed_until, '-infinity') < now()
  ORDER BY due.place, d.id FOR UPDATE OF d SKIP LOCKED LIMIT :places
)
UPDATE webhook_delivery d SET attempts = attempts + 1, claimed_until = now() + make_interval(secs => :claim_seconds)
FROM chosen, webhook w WHERE d.id = chosen.id AND w.id = d.webhook_id
RETURNING d.id, d.webhook_id, d.attempts, d.payload, w.url, w.secret
""")

NOTE = text("""
UPDATE webhook_delivery SET claimed_until = NULL, attempted_at = now(), status = :status, status_code = :status_code,
  error = :error, response = :response, duration_ms = :duration_ms,
  next_at = now() + make_interval(secs => :pause), delivered_at = CASE WHEN :status = 'delivered' THEN now() END
WHERE id = :id AND attempts = :attempts AND status = 'pending'
""")

WELL = text("UPDATE webhook SET failing_since = NULL WHERE id = :webhook_id AND failing_since IS NOT NULL")
ILL = text("UPDATE webhook SET failing_since = now() WHERE id = :webhook_id AND failing_since IS NULL")
DISABLE = text(f"""
UPDATE webhook SET enabled = false, disabled_reason = :reason
WHERE id = :webhook_id AND enabled AND (:at_once OR failing_since < now() - interval '{LONG_FAILURE}')
""")
FORGET = text(f"DELETE FROM webhook_delivery WHERE created_at < now() - interval '{KEPT}'")


@dataclass(frozen=True)
class Due:
    """A delivery that is ours to attempt."""

    id: str
    webhook_id: str
    attempts: int
    payload: dict[str, Any]
    url: str
    secret: str


def claim(session: Session, places: int) -> list[Due]:
    values = {"places": places, "at_a_time": AT_A_TIME, "claim_seconds": CLAIM_SECONDS}
    return [Due(**row) for row in session.execute(CLAIM, values).mappings()]


def note(session: Session, due: Due, answer: Answer, jitter: float) -> None:
    """What became of an attempt. `jitter` is in [-1, 1]."""
    last = due.attempts > len(PAUSES)
    status = "delivered" if answer.accepted else "failed" if last else "pending"
    pause = 0.0 if status != "pending" else PAUSES[due.attempts - 1] * (1 + jitter / 10)
    values = {
        "id": due.id,
        "attempts": due.attempts,
        "status": status,
        "status_code": answer.status_code,
        "error": answer.error,
        "response": answer.excerpt,
        "duration_ms": answer.duration_ms,
        "pause": pause,
    }
    session.execute(NOTE, values)
    session.execute(WELL if answer.accepted else ILL, {"webhook_id": due.webhook_id})
    if not answer.accepted:
        gone = answer.status_code == 410
        reason = "The receiver answered 410 Gone." if gone else f"Every delivery failed for {LONG_FAILURE}."
        session.execute(DISABLE, {"webhook_id": due.webhook_id, "at_once": gone, "reason": reason})


def held(session: Session) -> Sequence[str]:
    """Sweeps of which a point has ended."""
    statement = select(WebhookDelivery.subject).where(WebhookDelivery.status == "held").distinct()
    return session.scalars(statement.limit(100)).all()


def settle(session: Session, sweep_id: str) -> None:
    """Tell each webhook once when the sweep's last point has ended; forget the question when others still run.

    Whoever commits the last end leaves a question behind, and by then sees that all have ended.
    """
    sweep = get_sweep(session, sweep_id, lock=True)
    questions = session.scalars(
        select(WebhookDelivery)
        .where(WebhookDelivery.subject == sweep_id, WebhookDelivery.status == "held")
        .order_by(WebhookDelivery.id)
        .with_for_update()
    ).all()
    by_status = select(Job.status, func.count()).where(Job.sweep_id == sweep_id).group_by(Job.status)
    counts: dict[str, int] = dict(session.execute(by_status).all())
    told: set[str] = set()
    for question in questions:
        if sweep is None or not counts or not set(counts) <= ENDED or question.webhook_id in told:
            session.delete(question)
            continue
        told.add(question.webhook_id)
        data = {"id": sweep_id, "object": "sweep", "name": sweep["name"], "status": status_of(sweep, counts)}
        question.payload = {**question.payload, "data": {**data, "counts": counts, "objective": sweep["objective"]}}
        question.status = "pending"
