"""The shape that every list of things with ids shares."""

from collections.abc import Sequence
from typing import Any

MAX_LIMIT = 200


def page(rows: Sequence[dict[str, Any]], limit: int) -> dict[str, Any]:
    """At most `limit` of the rows; the repository asked for one more, to know whether there is one."""
    data = rows[:limit]
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": len(rows) > limit,
    }
