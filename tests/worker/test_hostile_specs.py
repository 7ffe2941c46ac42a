"""Whatever a client sends as a spec: it is taken, or refused with a SpecError; nothing else ever comes out."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.catalog import TABLES
from app.jobs.spec import SpecError, resolve, validate
from tests.app.spec.documents import FUNCTION, IRIS, changed, example_specs, facts_of
from worker.resolve import dry_run

SPECS = list(example_specs().values())
SOME = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MANY = settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = sorted({name for table in TABLES.values() for name in table})
KEYS = sorted({key for table in TABLES.values() for cls in table.values() for key in cls.model_fields})

texts = st.one_of(
    st.text(max_size=30),
    st.sampled_from(NAMES),
    st.sampled_from(["ds_x", "latest", "(", ".*", "(a+)+$", "[^\\d", "\ud800", "\0", "__import__('os')", "a" * 20_000]),
)
numbers = st.one_of(
    st.integers(-3, 40),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([10**400, -(10**30), 2**31, 2**53 + 1, 1e308, 5e-324, -0.0]),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=8)), inner, max_size=4),
    ),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


@st.composite
def spoiled(draw: st.DrawFn) -> Any:
    """A good spec with up to three values changed, added or taken away."""
    spec = copy.deepcopy(draw(st.sampled_from(SPECS)))
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from([place for place in places(spec) if place]))
        target = spec
        for key in path:
            target = target[key]
        change = draw(st.sampled_from(["set", "set", "add", "remove"]))
        if change == "remove":
            del target[last]
        elif change == "add" and isinstance(target, dict):
            target[draw(st.sampled_from(KEYS))] = draw(values)
        else:
            target[last] = draw(values)
        if not any(place for place in places(spec) if place):
            break
    return spec


def look(document: Any) -> None:
    """As a dry run does. A refusal points into the document, at no more than fifty places."""
    errors = []
    try:
        resolved = resolve(validate(document), facts_of)
        assert resolve(validate(resolved), facts_of) == resolved
        dry_run(resolved, facts_of)
    except SpecError as refusal:
        errors = refusal.errors
        assert errors
    assert len(errors) <= 50
    for found in errors:
        assert set(found) == {"pointer", "detail"}
        assert found["pointer"] == "" or found["pointer"].startswith("/")
        found["detail"].encode()


@SOME
@given(spoiled())
def test_a_spoiled_spec_is_taken_or_refused(document: Any) -> None:
    look(document)


@pytest.mark.slow
@pytest.mark.timeout(600)
@MANY
@given(spoiled())
def test_many_spoiled_specs_are_taken_or_refused(document: Any) -> None:
    look(document)


@SOME
@given(values)
def test_what_is_no_spec_at_all_is_refused(document: Any) -> None:
    look(document)


@SOME
@given(texts)
def test_any_text_for_a_pattern(text: str) -> None:
    entry = {"params": text, "type": "zeros_"}
    for pointer, value in (
        ("/optimizer/groups", [{"params": text, "lr": 0.1}]),
        ("/model/initialization", [entry]),
        ("/model/initial_weights", {"upload": "wts_x", "rename": [[text, text]], "params": text}),
    ):
        look(changed(IRIS, {pointer: value}))
    phases = [{"epochs": 1, "optimizer": {"type": "SGD", "lr": 0.1}, "freeze": [text]}]
    look(changed(IRIS, {"/phases": phases, "/optimizer": ..., "/training/epochs": ...}))


WORDS = ["**", "//", "epoch", "grad", "param", "where", "pi", "lambda"]
SIGNS = [*"+-*/%<>=!(),. _x123eEjJ\"'[]{}:;@&|^~\\\n", *WORDS]
formulas = st.one_of(st.text(max_size=80), st.lists(st.sampled_from(SIGNS), max_size=40).map("".join))


@SOME
@given(formulas)
def test_any_text_for_a_formula(text: str) -> None:
    look(changed(IRIS, {"/scheduler": {"type": "LambdaLR", "lr_lambda": text}}))
    look(changed(FUNCTION, {"/model/expression": text}))
    rule = {"type": "UpdateRule", "lr": 0.1, "state": {"s": 0.0}, "update": [text, f"param = {text}"]}
    look(changed(IRIS, {"/optimizer": rule}))
