"""The shape that every list of things with ids shares."""

from collections.abc import Sequence
from typing import Any

MAX_LIMIT = 200


def page(rows: Sequence[dict[str, Any]], limit: int) -> dict[str, Any]:
    """At most `limit` of the rows; the repository asked for one more, to know whether there is one."""
    return whole(rows[:limit]) | {"has_more": len(rows) > limit}


def whole(rows: Sequence[dict[str, Any]], id: str = "id") -> dict[str, Any]:
    """All of the rows; `id` names what `first_id` and `last_id` tell, and `after` takes where there is more."""
    first, last = (rows[0][id], rows[-1][id]) if rows else (None, None)
    return {"object": "list", "data": rows, "first_id": first, "last_id": last, "has_more": False}
