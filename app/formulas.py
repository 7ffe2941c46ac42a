"""The formula language of LambdaLR, UpdateRule and Function: text becomes trees of plain data, never code.

A tree is a float, a name, or a list `[operation, argument, ...]`: `4 * x ** 2` is `["*", 4.0, ["**", "x", 2.0]]`.
"""

import ast
import math
import operator
from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias, cast

Tree: TypeAlias = "float | str | list[Tree]"

MAX_LENGTH = 500
MAX_DEPTH = 30

BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Pow: "**",
    ast.Mod: "%",
}
DIVISIONS = {"/", "//", "%"}
COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
# Each function with its number of arguments; min and max take two or more.
FUNCTIONS: dict[str, int] = {
    **dict.fromkeys(("abs", "exp", "log", "sqrt", "sin", "cos", "tanh", "sign", "floor"), 1),
    **dict.fromkeys(("min", "max"), 2),
    **dict.fromkeys(("where", "clamp"), 3),
}
WORDS = frozenset(FUNCTIONS) | {"pi"}
# What people bring along from Python, and what to write instead.
FOREIGN: dict[type, str] = {
    ast.Attribute: "a name has no attributes: '.' stands in numbers only",
    ast.Subscript: "nothing has an index here",
    ast.BoolOp: "there is no 'and' and no 'or': multiply or add the conditions",
    ast.Not: "there is no 'not': write 1 - condition",
    ast.BitXor: "a power is written **, not ^",
    ast.Lambda: "write the expression alone, without lambda",
    ast.Tuple: "a formula is one expression, without commas",
}


class FormulaError(ValueError):
    """What is wrong with a formula, and where; `column` counts from 1."""

    def __init__(self, column: int, detail: str) -> None:
        super().__init__(f"column {column}: {detail}")
        self.column = column
        self.detail = detail


def parse(text: str, names: Collection[str]) -> Tree:
    """The tree of an expression over `names`. Raises FormulaError."""
    return _Reader(text, names).tree(_expression(text))


def parse_assignment(text: str, names: Collection[str], values: Mapping[str, float] | None = None) -> tuple[str, Tree]:
    """Target and tree of `target = expression`; the target may be any name. Raises FormulaError.

    `values`: of the names that stand for numbers, with which every part made of them alone must have a value.
    """
    _check_text(text)
    start = _assignment_sign(text)
    if start is None:
        raise FormulaError(1, "expected an assignment such as 'param = param - lr * grad'")
    target = text[:start].strip()
    if not target.isidentifier() or _parse_python(target, 0).__class__ is not ast.Name:
        raise FormulaError(_leading(text) + 1, f"cannot assign to {target!r}: expected one name before '='")
    # Blanks keep the columns those of the whole formula.
    padded = " " * (start + 1) + text[start + 1 :]
    return target, _Reader(padded, names, values).tree(_expression(padded))


def names_in(tree: Tree) -> set[str]:
    """The names that a tree reads."""
    if isinstance(tree, str):
        return {tree}
    if isinstance(tree, list):
        return set().union(*(names_in(argument) for argument in tree[1:]))
    return set()


def learns(tree: Tree) -> bool:
    """Whether a gradient can reach a name: comparisons and conditions pass none on."""
    if not isinstance(tree, list):
        return isinstance(tree, str)
    operation, *arguments = tree
    if operation in COMPARISONS.values():
        return False
    if operation == "where" and not names_in(arguments[0]):
        return learns(arguments[1] if evaluate(arguments[0], {}) != 0 else arguments[2])
    return any(learns(argument) for argument in (arguments[1:] if operation == "where" else arguments))


def _assignment_sign(text: str) -> int | None:
    for i, sign in enumerate(text):
        if sign == "=":
            return None if text[i + 1 : i + 2] == "=" or text[i - 1 : i] in {"<", ">", "!", "="} else i
    return None


def _leading(text: str) -> int:
    return len(text) - len(text.lstrip(" "))


def _check_text(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise FormulaError(MAX_LENGTH + 1, f"a formula has at most {MAX_LENGTH} characters, this one has {len(text)}")
    for i, sign in enumerate(text):
        if not " " <= sign <= "~" or sign == "#":
            raise FormulaError(i + 1, f"the character {sign!r} has no place in a formula")
    if not text.strip():
        raise FormulaError(1, "the formula is empty")


def _expression(text: str) -> ast.expr:
    _check_text(text)
    indent = _leading(text)  # Python takes leading blanks for an indentation
    return _parse_python(text[indent:], indent)


def _parse_python(text: str, indent: int) -> ast.expr:
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError as error:
        # Python puts what breaks off at the end on a line of its own.
        at_end = not error.offset or (error.lineno or 1) > 1
        column = (len(text) + 1 if at_end else error.offset or 1) + indent
        raise FormulaError(column, f"not a formula: {error.msg}") from None
    except (RecursionError, MemoryError, ValueError):
        raise FormulaError(1, "the formula is nested too deeply") from None


class _Reader:
    def __init__(self, text: str, names: Collection[str], values: Mapping[str, float] | None = None) -> None:
        self.indent = _leading(text)
        self.names = names
        self.values = values or {}
        self.columns: dict[int, int] = {}  # of the operations, by their lists' ids

    def error(self, node: ast.expr, detail: str) -> FormulaError:
        return FormulaError(self.column(node), detail)

    def column(self, node: ast.expr) -> int:
        return node.col_offset + self.indent + 1

    def tree(self, node: ast.expr, depth: int = 1) -> Tree:
        if depth > MAX_DEPTH:
            raise self.error(node, f"nested more than {MAX_DEPTH} deep")
        made = self.part(node, depth)
        if isinstance(made, list):
            self.columns[id(made)] = self.column(node)
            if names_in(made) <= self.values.keys():
                _Walk(self.columns, self.values).finite(made)
            elif made[0] in DIVISIONS and not names_in(made[2]) and evaluate(made[2], {}) == 0:
                raise self.error(node, f"{made[0]} has no value: division by zero")
        return made

    def part(self, node: ast.expr, depth: int) -> Tree:
        match node:
            case ast.Constant():
                return self.number(node)
            case ast.Name():
                return self.name(node)
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in BINARY:
                return [BINARY[type(sign)], self.tree(left, depth + 1), self.tree(right, depth + 1)]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return ["neg", self.tree(operand, depth + 1)]
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.tree(operand, depth + 1)
            case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in COMPARISONS:
                return [COMPARISONS[type(sign)], self.tree(left, depth + 1), self.tree(right, depth + 1)]
            case ast.Call():
                return self.call(node, depth)
            case ast.Compare(ops=[_, _, *_]):
                raise self.error(node, "compare two values at a time")
            case ast.IfExp():
                raise self.error(node, "write where(condition, a, b) instead of if and else")
        found: object = node.op if isinstance(node, ast.BoolOp | ast.BinOp | ast.UnaryOp) else node
        instead = FOREIGN.get(type(found), FOREIGN.get(type(node)))
        raise self.error(node, instead or "this is not part of the formula language")

    def number(self, node: ast.Constant) -> float:
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise self.error(node, f"{node.value!r} is not a number")
        try:
            value = float(node.value)
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            raise self.error(node, "the number is too large")
        return value

    def name(self, node: ast.Name) -> Tree:
        if node.id in self.names:
            return node.id
        if node.id == "pi":
            return math.pi
        if node.id in FUNCTIONS:
            raise self.error(node, f"{node.id} is a function: write {node.id}(...)")
        known = ", ".join([*sorted(self.names), "pi"])
        raise self.error(node, f"unknown name {node.id!r}; known here: {known}")

    def call(self, node: ast.Call, depth: int) -> Tree:
        there = f"there are {', '.join(sorted(FUNCTIONS))}"
        if not isinstance(node.func, ast.Name):
            raise self.error(node, f"only a function's name can be called; {there}")
        if node.func.id not in FUNCTIONS:
            raise self.error(node, f"no function {node.func.id!r}; {there}")
        name, wanted = node.func.id, FUNCTIONS[node.func.id]
        given = len(node.args)
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            raise self.error(node, f"{name} takes plain arguments only")
        if given != wanted and not (wanted == 2 and given > 2):
            raise self.error(node, f"{name} takes {wanted} argument{'s' * (wanted != 1)}, not {given}")
        arguments = [self.tree(argument, depth + 1) for argument in node.args]
        if wanted == 2:  # min and max of many are nested pairs
            first, *others = arguments
            for other in others:
                first = [name, first, other]
            return first
        return [name, *arguments]


def evaluate(tree: Tree, values: Mapping[str, float]) -> float:
    """The value in Python floats. Raises ArithmeticError or ValueError where there is none: `1 / 0`, `log(0)`."""
    if isinstance(tree, str):
        return values[tree]
    if not isinstance(tree, list):
        return tree
    return OPERATIONS[cast("str", tree[0])](*(evaluate(argument, values) for argument in tree[1:]))


def where_not_finite(text: str, values: Mapping[str, float]) -> FormulaError | None:
    """The column of the operation by which a formula's value is not finite, or is not there."""
    reader = _Reader(text, values)
    tree = reader.tree(_expression(text))
    try:
        _Walk(reader.columns, values).finite(tree)
    except FormulaError as error:
        return error
    return None


class _Walk:
    """`evaluate`, with an eye on what each operation comes to."""

    def __init__(self, columns: Mapping[int, int], values: Mapping[str, float]) -> None:
        self.columns, self.values = columns, values
        self.overflown: FormulaError | None = None

    def finite(self, tree: Tree) -> None:
        """Raises FormulaError where the value is not finite or not there."""
        if not math.isfinite(self.value(tree)):
            assert self.overflown is not None
            raise self.overflown

    def value(self, tree: Tree) -> float:
        if not isinstance(tree, list):
            return self.values[tree] if isinstance(tree, str) else tree
        sign = cast("str", tree[0])
        arguments = [self.value(argument) for argument in tree[1:]]
        column = self.columns.get(id(tree), 1)
        try:
            result = OPERATIONS[sign](*arguments)
        except (ArithmeticError, ValueError) as error:
            reason = error.args[-1] if error.args else "it is not finite"
            raise FormulaError(column, f"{sign} has no value: {reason}") from None
        if self.overflown is None and not math.isfinite(result):
            self.overflown = FormulaError(column, f"the value of {sign} is not finite")
        return result


def compile_float(tree: Tree, name: str) -> Callable[[float], float]:
    """`evaluate` for a tree of one name as nested closures: for tables of many values."""
    if isinstance(tree, str):
        return lambda value: value
    if not isinstance(tree, list):
        constant = tree
        return lambda value: constant
    operation = OPERATIONS[cast("str", tree[0])]
    arguments = [compile_float(argument, name) for argument in tree[1:]]
    if len(arguments) == 1:
        (only,) = arguments
        return lambda value: operation(only(value))
    if len(arguments) == 2:
        left, right = arguments
        return lambda value: operation(left(value), right(value))
    return lambda value: operation(*(argument(value) for argument in arguments))


def _power(a: float, b: float) -> float:
    result = a**b
    if isinstance(result, complex):
        raise ValueError(f"{a} ** {b} is not a real number")
    return float(result)


OPERATIONS: dict[str, Callable[..., float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "**": _power,
    "%": operator.mod,
    "neg": operator.neg,
    "<": lambda a, b: float(a < b),
    "<=": lambda a, b: float(a <= b),
    ">": lambda a, b: float(a > b),
    ">=": lambda a, b: float(a >= b),
    "==": lambda a, b: float(a == b),
    "!=": lambda a, b: float(a != b),
    "where": lambda condition, a, b: a if condition != 0 else b,
    "min": min,
    "max": max,
    "abs": abs,
    "exp": math.exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "sign": lambda a: float((a > 0) - (a < 0)),
    "clamp": lambda a, low, high: min(max(a, low), high),
    "floor": lambda a: float(math.floor(a)),
}
