"""Formula trees as Python expressions: plain operators, `math` on numbers, `torch` on tensors, as the engine has them.

Which of the two a part is, is known when it is written: names are tensors or numbers.
"""

import functools
from collections.abc import Mapping
from typing import Any

Tree = float | str | list[Any]
Written = tuple[str, int, bool]  # source, how strongly it binds, whether it is a tensor

ATOM, POWER, UNARY, PRODUCT, SUM = 5, 4, 3, 2, 1
BINDING = {"+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "//": PRODUCT, "%": PRODUCT, "**": POWER}
SHORT = {"+", "-", "*", "/", "**"}  # the same beside whole numbers
COMPARISONS = {"<", "<=", ">", ">=", "==", "!="}
ON_TENSORS = {name: f"torch.{name}" for name in ("exp", "log", "sqrt", "sin", "cos", "tanh", "sign", "floor")}
ON_NUMBERS = {name: f"math.{name}" for name in ("exp", "log", "sqrt", "sin", "cos", "tanh")}


def expression(tree: Tree, tensors: Mapping[str, bool], names: Mapping[str, str] | None = None) -> str:
    """Source of a tree. `tensors`: for each name whether it is one; `names`: what it is called in the source."""
    return Writer(tensors, names or {}).write(tree)[0]


def is_tensor(tree: Tree, tensors: Mapping[str, bool]) -> bool:
    return Writer(tensors, {}).write(tree)[2]


class Writer:
    def __init__(self, tensors: Mapping[str, bool], names: Mapping[str, str]) -> None:
        self._tensors, self._names = tensors, names

    def write(self, tree: Tree) -> Written:
        if isinstance(tree, str):
            return self._names.get(tree, tree), ATOM, self._tensors[tree]
        if not isinstance(tree, list):
            text = repr(float(tree))
            return text, UNARY if text.startswith("-") else ATOM, False
        operation, parts = tree[0], tree[1:]
        if operation in BINDING:
            return self._binary(operation, *parts)
        if operation == "neg":
            text, binding, tensor = self.write(parts[0])
            return f"-{_inside(text, binding, UNARY)}", UNARY, tensor
        written = [self.write(part) for part in parts]
        if operation == "where":
            return self._choice(parts[0], written)
        if operation in COMPARISONS:
            return self._comparison(operation, written)
        tensor = any(part[2] for part in written)
        return self._function(operation, written, tensor), ATOM, tensor

    def _binary(self, operation: str, left: Tree, right: Tree) -> Written:
        binding = BINDING[operation]
        a, b = self.write(left), self.write(right)
        tensor = a[2] or b[2]
        first, second = (
            _whole(part) if operation in SHORT and isinstance(other, str | list) and _plain(part) else text
            for part, other, (text, _, _) in ((left, right, a), (right, left, b))
        )
        if operation == "**":
            if not a[2] and not b[2]:  # whole numbers would be raised exactly, which floats are not
                first = a[0] if _plain(left) else f"float({a[0]})"
                return f"{first}**{_inside(second, b[1], UNARY)}", POWER, False
            if not a[2]:
                first = a[0]
            return f"{_inside(first, a[1], ATOM)}**{_inside(second, b[1], UNARY)}", POWER, tensor
        if operation == "//" and tensor:  # the values of //, which has no derivative
            return f'torch.div({first}, {second}, rounding_mode="floor")', ATOM, True
        return f"{_inside(first, a[1], binding)} {operation} {_inside(second, b[1], binding + 1)}", binding, tensor

    def _choice(self, condition: Tree, written: list[Written]) -> Written:
        (text, _, tensor), (a, _, _), (b, _, _) = written
        if isinstance(condition, list) and condition[0] in COMPARISONS:
            text = _compared(condition[0], [self.write(part) for part in condition[1:]])
        elif tensor:
            text = f"{_inside(text, written[0][1], SUM)} != 0"
        if tensor:
            return f"torch.where({text}, {a}, {b})", ATOM, True
        return f"({a} if {text} else {b})", ATOM, written[1][2] or written[2][2]

    def _comparison(self, operation: str, written: list[Written]) -> Written:
        line, tensor = _compared(operation, written), any(part[2] for part in written)
        return (f"({line}).float()" if tensor else f"float({line})"), ATOM, tensor

    def _function(self, operation: str, written: list[Written], tensor: bool) -> str:
        texts = [text for text, _, _ in written]
        if operation in ("min", "max"):
            return functools.reduce(lambda a, b: _extreme(operation, a, b), written)[0]
        if operation == "clamp":
            return _extreme("min", _extreme("max", written[0], written[1]), written[2])[0]
        if operation == "abs":
            return f"abs({texts[0]})"
        if tensor:
            return f"{ON_TENSORS[operation]}({texts[0]})"
        if operation == "floor":
            return f"float(math.floor({texts[0]}))"
        if operation == "sign":
            return f"(math.copysign(1.0, {texts[0]}) if {texts[0]} else 0.0)"
        return f"{ON_NUMBERS[operation]}({texts[0]})"


def _compared(operation: str, written: list[Written]) -> str:
    (a, first, _), (b, second, _) = written
    return f"{_inside(a, first, SUM)} {operation} {_inside(b, second, SUM)}"


def _extreme(operation: str, a: Written, b: Written) -> Written:
    if a[2] and b[2]:
        return f"torch.{operation}imum({a[0]}, {b[0]})", ATOM, True
    if a[2] or b[2]:
        tensor, number = (a, b) if a[2] else (b, a)
        return f"torch.clamp({tensor[0]}, {'max' if operation == 'min' else 'min'}={number[0]})", ATOM, True
    return f"{operation}({a[0]}, {b[0]})", ATOM, False


def _plain(tree: Tree) -> bool:
    return isinstance(tree, float | int)


def _whole(tree: Any) -> str:
    """A number as people write it beside something that is no number: 2 for 2.0."""
    return str(int(tree)) if tree == int(tree) and 0 <= tree < 10**6 else repr(float(tree))


def _inside(text: str, binding: int, at_least: int) -> str:
    return text if binding >= at_least else f"({text})"
