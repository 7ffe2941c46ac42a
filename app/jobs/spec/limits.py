"""What any document must be before its meaning is looked at: bounded, and made of text that can be stored."""

from typing import Any

from app.jobs.spec.base import Complaint

MAX_DEPTH = 32
MAX_VALUES = 50_000
MAX_TEXT = 10_000


def check(document: Any) -> list[Complaint]:
    """The first thing that is wrong, if any. Without recursion: depth is what a hostile document plays with."""
    if not isinstance(document, dict):
        return [Complaint((), "a job spec is a JSON object")]
    seen = 0
    todo: list[tuple[tuple[str | int, ...], Any]] = [((), document)]
    while todo:
        path, value = todo.pop()
        seen += 1
        if seen > MAX_VALUES:
            return [Complaint((), f"a spec has at most {MAX_VALUES} values")]
        if isinstance(value, str):
            wrong = _text(value)
            if wrong:
                return [Complaint(path, wrong)]
        elif isinstance(value, dict | list):
            if len(path) >= MAX_DEPTH:
                return [Complaint(path[:4], f"nested more than {MAX_DEPTH} deep")]
            if isinstance(value, list):
                todo.extend(((*path, index), item) for index, item in enumerate(value))
                continue
            for key, item in value.items():
                if not isinstance(key, str) or _text(key):
                    return [Complaint(path, "a key is not plain text")]
                todo.append(((*path, key), item))
    return []


def _text(value: str) -> str | None:
    if len(value) > MAX_TEXT:
        return f"is longer than {MAX_TEXT} characters"
    if "\0" in value:
        return "must not contain the character U+0000"
    try:
        value.encode()
    except UnicodeEncodeError:
        return "contains half of a surrogate pair"
    return None
