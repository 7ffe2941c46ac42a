"""A spec from a file, with changes from the command line."""

import json
import sys
from pathlib import Path
from typing import Any, NoReturn

from descent.errors import DescentError


def read_spec(file: str) -> dict[str, Any]:
    """The JSON object in the file; `-` is the standard input. Raises DescentError."""
    name = "standard input" if file == "-" else file
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DescentError(f"there is no file {file}") from None
    except OSError as error:
        raise DescentError(f"{name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DescentError(f"{name} is not text in UTF-8") from None
    try:
        spec = json.loads(text, parse_constant=no_number, object_pairs_hook=no_key_twice)
    except json.JSONDecodeError as error:
        raise DescentError(f"{name} is not JSON: {error.msg}, line {error.lineno} column {error.colno}") from None
    except (ValueError, RecursionError) as error:
        raise DescentError(f"{name} is not JSON: {error}") from None
    if not isinstance(spec, dict):
        raise DescentError(f"{name} holds no JSON object")
    return spec


def no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(
            f"the key {next(name for name in names if names.count(name) > 1)!r} stands twice in one object"
        )
    return made


def no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number of JSON")


def change(spec: dict[str, Any], assignment: str) -> None:
    """`/optimizer/lr=0.01`: the value at a JSON pointer; JSON where it is JSON, else a string. Raises DescentError.

    Objects on the way that are missing are made; `/-` appends to a list.
    """
    pointer, separator, text = assignment.partition("=")
    if not separator or not pointer.startswith("/"):
        raise DescentError(f"--set takes /pointer/to/value=VALUE, not {assignment!r}")
    try:
        value = json.loads(text, parse_constant=no_number)
    except ValueError:
        value = text
    *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/"))
    place: Any = spec
    for part in parents:
        if isinstance(place, dict):
            place = place.setdefault(part, {})
        else:
            place = place[index(place, part, pointer, len(place) - 1 if isinstance(place, list) else 0)]
    if isinstance(place, dict):
        place[last] = value
    elif isinstance(place, list) and last == "-":
        place.append(value)
    else:
        place[index(place, last, pointer, len(place) - 1 if isinstance(place, list) else 0)] = value


def index(place: Any, part: str, pointer: str, highest: int) -> int:
    if not isinstance(place, list):
        raise DescentError(f"--set {pointer}: there is nothing below {json.dumps(place)}")
    if not part.isdigit() or int(part) > highest:
        raise DescentError(f"--set {pointer}: the list has no place {part!r}, but 0 to {highest}")
    return int(part)


def pairs(texts: list[str], option: str) -> dict[str, str]:
    """`["team=vision"]` -> `{"team": "vision"}`. Raises DescentError."""
    found = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator or not key:
            raise DescentError(f"{option} takes key=value, not {text!r}")
        found[key] = value
    return found
