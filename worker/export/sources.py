"""The engine's own classes and functions as source text, so that what is exported can never differ from what was run.

Sizes that a class takes from a config are written into it, notes to the type checker are dropped.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from .code import literal


def source_of(thing: Any, sizes: Mapping[str, Any] | None = None) -> str:
    """A class's or function's source; with `sizes`, `config["name"]` becomes the value."""
    text = re.sub(r"  # (type: ignore|noqa)[^\n]*", "", textwrap.dedent(inspect.getsource(thing)))
    text = text.replace("Tensor", "torch.Tensor").replace("functional.", "nn.functional.")
    text = without_meta(text)
    if sizes is not None:
        text = text.replace("(self, config: Component)", "(self)")
        text = re.sub(r'config\["(\w+)"\]', lambda found: literal(sizes[found[1]]), text)
        if "config" in text:
            raise ValueError(f"{thing.__name__} looks at its config in another way")
    return text.rstrip()


def without_meta(text: str) -> str:
    """`if x.is_meta: ... else: body` becomes the body: the exported model has real tensors."""
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Attribute) and node.test.attr == "is_meta":
            start, stop = node.orelse[0].lineno - 1, node.end_lineno or 0
            body = [line.removeprefix("    ") for line in lines[start:stop]]
            return without_meta("\n".join([*lines[: node.lineno - 1], *body, *lines[stop:]]))
    return text


def constant_of(module: ModuleType, name: str) -> str:
    """`NAME = value` as a module has it."""
    return f"{name} = {literal(getattr(module, name))}"
