"""`Idempotency-Key`: the first request with a key does the work, and its reply is kept for 7 days.

The key is reserved in a transaction of its own; the reply is stored in the one that does the work. So a crash
between the two leaves a reservation that nobody will keep, which another request may take over after a minute.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from app.database import ProjectSession
from app.errors import Conflict, InvalidPayload
from app.models import IdempotencyKey

KEPT = text("interval '7 days'")
IN_FLIGHT = text("interval '60 seconds'")
MAX_LENGTH = 255


@dataclass(frozen=True)
class Reservation:
    """A key that this request holds; `made_at` tells it from a later holder's."""

    project_id: str
    key: str
    made_at: datetime


@dataclass(frozen=True)
class Stored:
    """The reply that the first request got."""

    status_code: int
    response: dict[str, Any]


def fingerprint(route: str, body: Any) -> str:
    """What makes two requests the same: the route and the value of the body, whatever its blanks."""
    return hashlib.sha256(route.encode() + b"\n" + orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def reserve(project_id: str, key: str, request_sha256: str) -> Reservation | Stored:
    """Hold the key, or find the stored reply. Raises Conflict in flight, InvalidPayload when the body is another."""
    if not (0 < len(key) <= MAX_LENGTH and key.isascii() and key.isprintable()):
        raise InvalidPayload(f"An Idempotency-Key has 1 to {MAX_LENGTH} printable ASCII characters.")
    with ProjectSession(project_id) as session, session.begin():
        fresh = {"request_sha256": request_sha256, "status_code": None, "response": None, "created_at": func.now()}
        forgotten = or_(
            IdempotencyKey.created_at < func.now() - KEPT,
            IdempotencyKey.status_code.is_(None) & (IdempotencyKey.created_at < func.now() - IN_FLIGHT),
        )
        statement = insert(IdempotencyKey).values(project_id=project_id, key=key, **fresh)
        statement = statement.on_conflict_do_update(index_elements=["project_id", "key"], set_=fresh, where=forgotten)
        made_at = session.scalar(statement.returning(IdempotencyKey.created_at))
        if made_at is not None:
            return Reservation(project_id, key, made_at)
        held = session.execute(
            select(IdempotencyKey).where(IdempotencyKey.project_id == project_id, IdempotencyKey.key == key)
        ).scalar_one()
    if held.request_sha256 != request_sha256:
        raise InvalidPayload("This Idempotency-Key was used with another request.", code="idempotency_key_reused")
    if held.status_code is None or held.response is None:
        raise Conflict(
            "The first request with this Idempotency-Key is still in flight.", code="in_flight", retry_after=1
        )
    return Stored(held.status_code, held.response)


def keep(session: ProjectSession, reservation: Reservation, status_code: int, response: bytes) -> None:
    """Store the reply with the work it tells of. Raises Conflict when another request has taken the key over."""
    values = {"status_code": status_code, "response": orjson.loads(response)}
    statement = update(IdempotencyKey).where(*ours(reservation)).values(**values)
    if session.execute(statement.returning(IdempotencyKey.key)).first() is None:
        raise Conflict("Another request with this Idempotency-Key has overtaken this one.", code="in_flight")
    old = IdempotencyKey.created_at < func.now() - KEPT
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.project_id == reservation.project_id, old))


def release(reservation: Reservation) -> None:
    """Give the key back after a request that did nothing."""
    with ProjectSession(reservation.project_id) as session, session.begin():
        session.execute(delete(IdempotencyKey).where(*ours(reservation)))


def ours(reservation: Reservation) -> tuple[Any, ...]:
    return (
        IdempotencyKey.project_id == reservation.project_id,
        IdempotencyKey.key == reservation.key,
        IdempotencyKey.created_at == reservation.made_at,
    )
