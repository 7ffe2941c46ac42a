"""SpecError: everything wrong with a document, each with a JSON pointer (RFC 6901) into it."""

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from app.jobs.spec.base import Complaint

MAX_ERRORS = 50


class SpecError(ValueError):
    """A refused spec; `errors` is `[{"pointer", "detail"}]`."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__("; ".join(f"{error['pointer'] or '/'}: {error['detail']}" for error in errors[:5]))
        self.errors = errors

    @classmethod
    def of(cls, complaints: Iterable[Complaint]) -> "SpecError":
        return cls([{"pointer": pointer(c.path), "detail": c.detail} for c in complaints])


def pointer(path: Iterable[str | int]) -> str:
    """`("a/b", 0)` is `/a~1b/0`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def from_pydantic(error: ValidationError, document: Any) -> SpecError:
    """Pydantic's findings as pointers: its union tags are no part of the document and fall out of the path."""
    found: dict[str, dict[str, str]] = {}
    for line in error.errors(include_url=False, include_context=False, include_input=False)[:MAX_ERRORS]:
        where = pointer(_in_document(line["loc"], document))
        found.setdefault(where, {"pointer": where, "detail": line["msg"]})
    return SpecError(list(found.values()))


def _in_document(location: tuple[str | int, ...], document: Any) -> list[str | int]:
    path: list[str | int] = []
    current = document
    for part in location:
        if isinstance(current, dict) and part in current:
            current = current[part]
        elif isinstance(current, list) and isinstance(part, int):
            current = current[part] if part < len(current) else None
        elif isinstance(current, dict) and part not in TAGS:
            current = {}  # what is missing may be asked for with all of its keys
        else:
            continue
        path.append(part)
    return path


TAGS = {
    "one",
    "list",
    "word",
    "name",
    "object",
    "parts",
    "str",
    "list[constrained-str]",
}  # of the discriminators in this package
