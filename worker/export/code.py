"""Python source from values: literals, calls without torch's defaults, lines that are not too long."""

import inspect
import keyword
import math
import pprint
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from textwrap import indent
from typing import Any

from torch import nn

WIDTH = 110
TAB = "    "
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def literal(value: Any) -> str:
    """A JSON value, or a tuple of them, as Python source. Raises TypeError for anything else."""
    if isinstance(value, str):
        text = ascii(value)
        return f'"{text[1:-1]}"' if text[0] == "'" and '"' not in text else text
    if value is None or isinstance(value, bool | int):
        return repr(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else f'float("{value}")'
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(literal, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(key)}: {literal(item)}" for key, item in value.items()) + "}"
    raise TypeError(f"a {type(value).__name__} cannot be written down")


def table(value: Any) -> str:
    """Nested lists of numbers over as many lines as they need."""
    return pprint.pformat(value, width=WIDTH, compact=True)


def is_name(text: str) -> bool:
    """Whether a text may stand in source as a name."""
    return NAME.fullmatch(text) is not None and not keyword.iskeyword(text)


def is_attribute(name: str) -> bool:
    """Whether `self.name` in a module's source is that very part: none that every module has, none that is mangled."""
    return is_name(name) and not name.startswith("_") and not hasattr(nn.Module(), name)


def variables(names: Collection[str], taken: Collection[str]) -> dict[str, str]:
    """What each name is called in the source: itself where it may be, never a `taken` name, no two alike."""
    found: dict[str, str] = {}
    for name in names:
        called = name
        while not is_name(called) or called in {"__debug__", *taken, *(set(names) - {name}), *found.values()}:
            called += "_"
        found[name] = called
    return found


def call(function: str, arguments: Iterable[str]) -> str:
    """`function(a, b=c)` on one line, or an argument a line where that would be too long."""
    found = list(arguments)
    line = f"{function}({', '.join(found)})"
    if len(line) <= WIDTH - 10 and "\n" not in line:
        return line
    inner = "".join(f"{argument},\n" for argument in found)
    return f"{function}(\n{indent(inner, TAB)})"


def arguments(function: Callable[..., Any], given: Mapping[str, Any]) -> list[str]:
    """Source of the arguments: those without a default by place, of the others what differs from the default."""
    found: list[str] = []
    by_place = True
    for name, parameter in inspect.signature(function).parameters.items():
        required = parameter.default is inspect.Parameter.empty
        if name not in given:
            by_place = by_place and name in ("self", "mode")  # torch.nn.RNNBase's mode is its subclass's affair
            continue
        if required and by_place:
            found.append(literal(given[name]))
        else:
            by_place = False
            if required or not same(given[name], parameter.default):
                found.append(f"{name}={literal(given[name])}")
    return found


def same(value: Any, default: Any) -> bool:
    """Whether a JSON value is a default of torch's: lists stand for tuples, 1 for 1.0, but never 1 for True."""
    if isinstance(value, list | tuple) and isinstance(default, list | tuple):
        return len(value) == len(default) and all(map(same, value, default))
    return isinstance(value, bool) == isinstance(default, bool) and bool(value == default)


def block(head: str, lines: Iterable[str]) -> str:
    """A statement with an indented body."""
    return f"{head}\n{indent(chr(10).join(lines), TAB)}"
