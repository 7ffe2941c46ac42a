"""Patterns over parameter names: RE2 syntax, so that no pattern can take exponential time."""

from collections.abc import Iterator
from typing import Annotated, Any

import re2
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

MAX_PATTERN = 200


def compile_pattern(pattern: str) -> Any:
    """The compiled pattern; use its `fullmatch`. Raises re2.error."""
    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def matching(pattern: str, names: Iterator[str] | list[str]) -> list[str]:
    """The names that the pattern matches as a whole, in their order."""
    compiled = compile_pattern(pattern)
    return [name for name in names if compiled.fullmatch(name)]


def _check(pattern: str) -> str:
    try:
        compile_pattern(pattern)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise PydanticCustomError(
            "pattern", "is not a pattern in RE2 syntax: {reason}", {"reason": text[:200]}
        ) from None
    return pattern


Pattern = Annotated[str, Field(min_length=1, max_length=MAX_PATTERN), AfterValidator(_check)]
