"""Formula trees as Python expressions: plain operators, `math` on numbers, `torch` on tensors, as the engine has them.

Which of the two a part is, is known when it is written, but for `where(step > 9, grad, 0)`: see mixed.py.
"""

import functools
from collections.abc import Mapping
from typing import Any

Tree = float | str | list[Any]
Kind = bool | None  # whether it is a tensor; None: a run shows it
Written = tuple[str, int, Kind]  # source, how strongly it binds, what it is

ATOM, POWER, UNARY, PRODUCT, SUM = 5, 4, 3, 2, 1
BINDING = {"+": SUM, "-": SUM, "*": PRODUCT, "/": PRODUCT, "//": PRODUCT, "%": PRODUCT, "**": POWER}
SHORT = {"+", "-", "*", "/", "**"}  # the same beside whole numbers
COMPARISONS = {"<", "<=", ">", ">=", "==", "!="}
ON_TENSORS = {name: f"torch.{name}" for name in ("exp", "log", "sqrt", "sin", "cos", "tanh", "sign", "floor")}
ON_NUMBERS = {name: f"math.{name}" for name in ("exp", "log", "sqrt", "sin", "cos", "tanh")} | {
    "floor": "lambda x: float(math.floor(x))",
    "sign": "lambda x: math.copysign(1.0, x) if x else 0.0",
}


def expression(tree: Tree, tensors: Mapping[str, Kind], names: Mapping[str, str] | None = None) -> str:
    """Source of a tree. `tensors`: for each name whether it is one; `names`: what it is called in the source."""
    return Writer(tensors, names or {}).write(tree)[0]


def is_tensor(tree: Tree, tensors: Mapping[str, Kind]) -> Kind:
    return Writer(tensors, {}).write(tree)[2]


class Writer:
    def __init__(self, tensors: Mapping[str, Kind], names: Mapping[str, str]) -> None:
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
        if operation in ("min", "max"):
            return functools.reduce(lambda a, b: _extreme(operation, a, b), written)
        if operation == "clamp":
            return _extreme("min", _extreme("max", written[0], written[1]), written[2])
        return self._function(operation, *written[0]), ATOM, written[0][2]

    def _binary(self, operation: str, left: Tree, right: Tree) -> Written:
        binding = BINDING[operation]
        a, b = self.write(left), self.write(right)
        tensor = joined(a[2], b[2])
        first, second = (
            _whole(part) if operation in SHORT and isinstance(other, str | list) and _plain(part) else text
            for part, other, (text, _, _) in ((left, right, a), (right, left, b))
        )
        if operation == "**":
            if tensor is False:  # whole numbers would be raised exactly, which floats are not
                first = a[0] if _plain(left) else f"float({a[0]})"
                return f"{first}**{_inside(second, b[1], UNARY)}", POWER, False
            if a[2] is False:
                first = a[0]
            return f"{_inside(first, a[1], ATOM)}**{_inside(second, b[1], UNARY)}", POWER, tensor
        if operation == "//" and tensor:  # the values of //, which has no derivative
            return f'torch.div({first}, {second}, rounding_mode="floor")', ATOM, True
        if operation == "//" and tensor is None:
            return f"mixed_floordiv({first}, {second})", ATOM, None
        return f"{_inside(first, a[1], binding)} {operation} {_inside(second, b[1], binding + 1)}", binding, tensor

    def _choice(self, condition: Tree, written: list[Written]) -> Written:
        (text, _, tensor), (a, _, first), (b, _, second) = written
        if tensor is None:
            return f"mixed_where({text}, {a}, {b})", ATOM, True if first and second else None
        if isinstance(condition, list) and condition[0] in COMPARISONS:
            text = _compared(condition[0], [self.write(part) for part in condition[1:]])
        elif tensor:
            text = f"{_inside(text, written[0][1], SUM)} != 0"
        if tensor:
            return f"torch.where({text}, {a}, {b})", ATOM, True
        return f"({a} if {text} else {b})", ATOM, first if first is second else None

    def _comparison(self, operation: str, written: list[Written]) -> Written:
        line, tensor = _compared(operation, written), joined(written[0][2], written[1][2])
        if tensor is None:
            return f"mixed_call(torch.Tensor.float, float, {line})", ATOM, None
        return (f"({line}).float()" if tensor else f"float({line})"), ATOM, tensor

    def _function(self, operation: str, text: str, _: int, tensor: Kind) -> str:
        if operation == "abs":
            return f"abs({text})"
        if tensor is None:
            return f"mixed_call({ON_TENSORS[operation]}, {ON_NUMBERS[operation]}, {text})"
        if tensor:
            return f"{ON_TENSORS[operation]}({text})"
        if operation == "floor":
            return f"float(math.floor({text}))"
        if operation == "sign":
            return f"(math.copysign(1.0, {text}) if {text} else 0.0)"
        return f"{ON_NUMBERS[operation]}({text})"


def joined(a: Kind, b: Kind) -> Kind:
    """What an operation makes of two: a tensor where one is."""
    return True if a or b else None if a is None or b is None else False


def _compared(operation: str, written: list[Written]) -> str:
    (a, first, _), (b, second, _) = written
    return f"{_inside(a, first, SUM)} {operation} {_inside(b, second, SUM)}"


def _extreme(operation: str, a: Written, b: Written) -> Written:
    if a[2] is None or b[2] is None:
        return f"mixed_{operation}({a[0]}, {b[0]})", ATOM, joined(a[2], b[2])
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
