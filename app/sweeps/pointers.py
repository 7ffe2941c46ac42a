"""JSON pointers (RFC 6901) into a spec: looking up, and setting a value where one stands or a key may be added."""

from typing import Any

MISSING = object()


class NoPlace(LookupError):
    """The message says what is not there."""


def parts(pointer: str) -> list[str]:
    """`/a~1b/0` is `["a/b", "0"]`. Raises NoPlace for what is no pointer to a value inside the spec."""
    if not pointer.startswith("/"):
        raise NoPlace("is not a JSON pointer to a value inside the spec, such as /optimizer/lr")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def assign(document: dict[str, Any], pointer: str, value: Any) -> dict[str, Any]:
    """The document with the value in that place; what is not on the way is shared. Raises NoPlace."""
    *above, last = parts(pointer)
    changed = dict(document)
    place: Any = changed
    walked = ""
    for part in above:
        key = place_of(place, part, walked)
        if isinstance(place, dict) and key not in place:
            raise NoPlace(f"there is no {walked}/{part} in the spec")
        walked += f"/{part}"
        inner = place[key]
        if not isinstance(inner, dict | list):
            raise NoPlace(f"{walked} in the spec is no object and no list, so there is nothing below it")
        place[key] = dict(inner) if isinstance(inner, dict) else list(inner)
        place = place[key]
    place[place_of(place, last, walked)] = value
    return changed


def place_of(place: Any, part: str, walked: str) -> Any:
    """The key, or the index of an element that is there."""
    if isinstance(place, dict):
        return part
    if not (part.isascii() and part.isdigit() and len(part) < 9 and int(part) < len(place)):
        raise NoPlace(f"the list {walked} in the spec has {len(place)} elements, and no {part[:50]!r}")
    return int(part)


def look_up(document: Any, pointer: str) -> Any:
    """The value, or MISSING. Raises NoPlace for what is no pointer."""
    place = document
    for part in parts(pointer):
        if isinstance(place, dict):
            place = place.get(part, MISSING)
        elif isinstance(place, list) and part.isascii() and part.isdigit() and len(part) < 9 and int(part) < len(place):
            place = place[int(part)]
        else:
            return MISSING
    return place


def is_below(inner: str, outer: str) -> bool:
    """Whether `inner` is the place `outer` or one within it."""
    return inner == outer or inner.startswith(outer + "/")
