"""Numbers that JSON does not have: "NaN", "Infinity" and "-Infinity" on the wire, floats in Python."""

import json
import math
from typing import Any

WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
FREE = frozenset({"spec", "resolved_spec", "metadata", "name", "message", "detail", "lines"})
"""Fields in which such a word is somebody's text."""


def decode(content: bytes | str) -> Any:
    """A document of the API. Raises ValueError when it is not JSON."""
    document = json.loads(content)
    text = content if isinstance(content, bytes) else content.encode()
    return with_floats(document) if b'"NaN"' in text or b'Infinity"' in text else document


def with_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: child if key in FREE else with_floats(child) for key, child in value.items()}
    if isinstance(value, list):
        return [with_floats(child) for child in value]
    return WORDS.get(value, value) if isinstance(value, str) else value


def with_words(value: Any) -> Any:
    """The way back: what `encode` writes is JSON for every reader."""
    if isinstance(value, dict):
        return {key: with_words(child) for key, child in value.items()}
    if isinstance(value, list):
        return [with_words(child) for child in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def encode(document: Any, *, indent: int | None = None) -> str:
    return json.dumps(with_words(document), indent=indent, ensure_ascii=False, allow_nan=False)
