"""Bodies as JSON, within limits that keep a hostile one cheap."""

import json
from collections.abc import Iterable
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from app.errors import InvalidPayload, PointedError

M = TypeVar("M", bound=BaseModel)

MAX_DEPTH = 40
MAX_ITEMS = 200_000
"""Values in one body; the largest honest one has 10,000 numbers inline."""
MAX_KEY = 256
SENTENCES = {"missing": "is required", "extra_forbidden": "unknown key"}


def parse(body: bytes) -> Any:
    """The JSON value; None for an empty body. Raises InvalidPayload, for a key that stands twice too."""
    if not body.strip():
        return None
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise refusal("", f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    check(value)
    refuse_repeated_keys(body)
    return value


def refuse_repeated_keys(body: bytes) -> None:
    """Of a key that stands twice, a parser drops one value without a word: nobody knows which was meant."""
    repeated: dict[int, tuple[str, Any]] = {}  # by id, with the object itself, so that no other has its id

    def read(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            names = [name for name, _ in pairs]
            repeated[id(made)] = next(name for name in names if names.count(name) > 1), made
        return made

    waiting = [(json.loads(body, object_pairs_hook=read), "")]
    while waiting and repeated:
        item, pointer = waiting.pop()
        if id(item) in repeated:
            raise refusal(f"{pointer}/{escape(repeated[id(item)][0])}", "stands twice")
        children = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
        waiting += [(child, f"{pointer}/{escape(str(key))}") for key, child in children]


def read_as(model: type[M], value: Any) -> M:
    """The value as a model; an empty body is an empty object. Raises InvalidPayload with pointers."""
    try:
        return model.model_validate({} if value is None else value)
    except ValidationError as error:
        lines = error.errors(include_url=False, include_context=False, include_input=False)
        found = [
            PointedError(pointer=pointer(line["loc"]), detail=SENTENCES.get(line["type"], line["msg"]))
            for line in lines[:50]
        ]
        raise InvalidPayload("The body is wrong.", errors=found) from None


def pointer(location: Iterable[str | int]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + escape(str(part)) for part in location)


def check(value: Any) -> None:
    """Depth, number of values, and the one character that Postgres cannot store."""
    waiting: list[tuple[Any, str, int]] = [(value, "", 1)]
    seen = 0
    while waiting:
        item, pointer, depth = waiting.pop()
        seen += 1
        if seen > MAX_ITEMS:
            raise refusal("", f"has more than {MAX_ITEMS} values")
        if isinstance(item, str):
            check_text(item, pointer)
        if not isinstance(item, dict | list):
            continue
        if depth > MAX_DEPTH:
            raise refusal(pointer[:200], f"is nested more than {MAX_DEPTH} deep")
        if isinstance(item, list):
            waiting += [(child, f"{pointer}/{i}", depth + 1) for i, child in enumerate(item)]
            continue
        for key, child in item.items():
            check_text(key, pointer)
            if len(key) > MAX_KEY:
                raise refusal(pointer[:200], f"has a key of more than {MAX_KEY} characters")
            waiting.append((child, f"{pointer}/{escape(key)}", depth + 1))


def check_text(text: str, pointer: str) -> None:
    if "\0" in text:
        raise refusal(pointer, "contains the character U+0000")


def escape(key: str) -> str:
    """One part of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def refusal(pointer: str, detail: str) -> InvalidPayload:
    return InvalidPayload("The body is wrong.", errors=[PointedError(pointer=pointer, detail=detail)])
