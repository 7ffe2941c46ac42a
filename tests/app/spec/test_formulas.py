import math
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.formulas import FormulaError, Tree, compile_float, evaluate, parse, parse_assignment, where_not_finite


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("4 * x ** 2", ["*", 4.0, ["**", "x", 2.0]]),
        ("-x", ["neg", "x"]),
        ("  +1_000 ", 1000.0),
        ("pi", math.pi),
        ("min(x, 1, 2)", ["min", ["min", "x", 1.0], 2.0]),
        ("where(x >= 1, x // 2, x % 2)", ["where", [">=", "x", 1.0], ["//", "x", 2.0], ["%", "x", 2.0]]),
        ("clamp(x, 0, 1) - floor(x)", ["-", ["clamp", "x", 0.0, 1.0], ["floor", "x"]]),
    ],
)
def test_text_becomes_a_tree(text: str, tree: Tree) -> None:
    assert parse(text, ("x",)) == tree


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 1),
        ("x +", 4),
        ("x + y", 5),
        ("  x + y", 7),
        ("exp", 1),
        ("x.real", 1),
        ("x[0]", 1),
        ("x if x else 1", 1),
        ("lambda: x", 1),
        ("(x := 1)", 2),
        ("f(x)", 1),
        ("x.f(1)", 1),
        ("exp(x=1)", 1),
        ("exp(*x)", 1),
        ("exp(x, x)", 1),
        ("min(x)", 1),
        ("1 < x < 2", 1),
        ("x and x", 1),
        ("not x", 1),
        ("~x", 1),
        ("x @ x", 1),
        ("x & x", 1),
        ("'a'", 1),
        ("1j", 1),
        ("True", 1),
        ("None", 1),
        ("...", 1),
        ("[x]", 1),
        ("1e999", 1),
        ("9" * 400, 1),
        ("x + 9 ** 9 ** 9", 5),
        ("x - 1 / 0", 5),
        ("1 + x / (2 - 2)", 5),
        ("min(x, x % 0)", 8),
        ("x * min(1, log(0))", 12),
        ("1e200 * 1e200 + x", 1),
        ("x + (-1) ** 0.5", 5),
        ("x\n+ 1", 2),
        ("\uff58", 1),  # a full-width x, which Python takes for an x
        ("__import__('os')", 1),
        ("(" * 100 + "x" + ")" * 100, None),
        ("-" * 499 + "x", None),
        ("(" * 499, None),
        ("+".join(["x"] * 40), None),
        ("x" * 501, 501),
        ("x # y", 3),
    ],
)
def test_everything_else_is_an_error_that_names_the_column(text: str, column: int | None) -> None:
    started = time.perf_counter()
    if column is None and text.count("(") == 100:
        assert parse(text, ("x",)) == "x"  # parentheses alone make no tree deeper
        return
    with pytest.raises(FormulaError) as caught:
        parse(text, ("x",))
    assert time.perf_counter() - started < 0.5
    assert str(caught.value).startswith("column ")
    if column is not None:
        assert caught.value.column == column


@pytest.mark.parametrize(
    ("text", "words"),
    [("x.real", "no attributes"), ("x ^ 2", "written **"), ("x > 1 and x < 2", "'and'"), ("f.g(x)", "function's name")],
)
def test_what_python_would_take_is_explained_in_words(text: str, words: str) -> None:
    with pytest.raises(FormulaError, match=re.escape(words)):
        parse(text, ("x",))


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("2 + 1 / x", 5, "division by zero"),
        ("  min(x, exp(1000 * (x + 1)))", 10, "exp has no value"),
        ("1 + (x + 1e308) * 10", 5, "* is not finite"),
        ("min((x + 1e308) * 10, 1)", None, ""),
    ],
)
def test_the_operation_that_goes_wrong_is_named(text: str, column: int | None, words: str) -> None:
    found = where_not_finite(text, {"x": 0.0})
    assert (found and found.column) == column
    assert words in str(found)


@pytest.mark.parametrize(
    ("text", "target", "tree"),
    [
        ("param = param - lr * grad", "param", ["-", "param", ["*", "lr", "grad"]]),
        (" s=where(lr == 1, 2, 3)", "s", ["where", ["==", "lr", 1.0], 2.0, 3.0]),
    ],
)
def test_assignments(text: str, target: str, tree: Tree) -> None:
    assert parse_assignment(text, ("param", "lr", "grad")) == (target, tree)


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("lr", 1),
        ("lr == 1", 1),
        ("lr += 1", 1),
        ("a.b = lr", 1),
        ("a, b = lr", 1),
        ("a = b = lr", 7),
        ("a = lr + z", 10),
        ("= lr", 1),
        ("for = lr", 1),
    ],
)
def test_wrong_assignments(text: str, column: int) -> None:
    with pytest.raises(FormulaError) as caught:
        parse_assignment(text, ("lr",))
    assert caught.value.column == column


OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "<", ">=", "=="]
leaves = st.one_of(st.just("x"), st.just("pi"), st.floats(-1e3, 1e3).map(lambda v: f"({v!r})"))
formulas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(OPERATORS), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(st.sampled_from(["abs", "tanh", "sin", "floor", "-"]), inner).map(lambda t: f"{t[0]}({t[1]})"),
        st.tuples(inner, inner, inner).map(lambda t: f"where({t[0]}, {t[1]}, {t[2]})"),
    ),
    max_leaves=8,
).filter(lambda text: len(text) <= 500)


@given(formulas, st.floats(-100, 100))
def test_values_are_those_of_python(text: str, x: float) -> None:
    names = {
        "__builtins__": {},
        "x": x,
        "pi": math.pi,
        "abs": abs,
        "tanh": math.tanh,
        "sin": math.sin,
        "floor": lambda a: float(math.floor(a)),
        "where": lambda c, a, b: a if c else b,
    }
    try:
        tree = parse(text, ("x",))
    except FormulaError:  # of numbers alone, and not finite: seen at once
        return
    try:
        expected = eval(text, names)
    except (ArithmeticError, ValueError) as error:
        # Where Python goes on with a complex number first, a formula has another error.
        with pytest.raises((type(error), ValueError)):
            evaluate(tree, {"x": x})
        return
    except TypeError:  # Python goes on with complex numbers, a formula does not
        expected = 1j
    try:
        value = evaluate(tree, {"x": x})
    except ValueError:
        return
    if not isinstance(expected, complex):
        assert value == expected or (math.isnan(value) and math.isnan(expected))
        assert compile_float(tree, "x")(x) == value or math.isnan(value)


@given(st.text(max_size=60))
def test_no_text_gets_past_the_reader(text: str) -> None:
    try:
        tree = parse(text, ("x",))
    except FormulaError:
        return
    assert isinstance(tree, str | float | list)
