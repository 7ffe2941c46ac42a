"""What preprocessing makes of a data set's facts, step by step; and what it refuses."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from app.datasets.facts import Facts
from app.jobs.spec.base import Complaint
from app.jobs.spec.errors import SpecError
from app.jobs.spec.preprocess import (
    Impute,
    MinMaxScale,
    Normalize,
    OneHot,
    Ordinal,
    Preprocessor,
    Resize,
    Standardize,
    ToFloat,
    Tokenize,
)

Path = tuple[str | int, ...]


class Misfit(Exception):
    """A step does not fit: the path below it and a sentence."""

    def __init__(self, detail: str, *path: str | int) -> None:
        super().__init__(detail)
        self.path = path


def prepared_facts(facts: Facts, steps: list[Preprocessor]) -> Facts:
    """The facts after all steps. Raises SpecError with the pointer of the step that does not fit."""
    if facts.dtype == "text" and facts.categories and any(isinstance(step, OneHot | Ordinal) for step in steps):
        facts = facts.with_shape((1,))  # a category: its codes are the numbers
    for index, step in enumerate(steps):
        if facts.dtype == "text" and not isinstance(step, Tokenize):
            _refuse(index, f"{step.type} takes numbers, the inputs are texts: Tokenize comes first")
        try:
            facts = EFFECTS[type(step)](facts, step)
        except Misfit as misfit:
            _refuse(index, str(misfit), *misfit.path)
    left: list[str] = []
    if facts.dtype == "text":
        left.append("the inputs are texts: add Tokenize")
    if facts.categories:
        left.append(f"column {next(iter(facts.categories))!r} is text: name it in OneHot or Ordinal")
    if facts.missing:
        left.append(f"column {facts.missing[0]!r} has missing values: add Impute")
    if left:
        raise SpecError.of([Complaint(("data", "preprocess"), left[0])])
    return facts


def _refuse(index: int, detail: str, *path: str | int) -> None:
    raise SpecError.of([Complaint(("data", "preprocess", index, *path), detail)])


def _resize(facts: Facts, step: Resize) -> Facts:
    if len(facts.shape) != 3:
        raise Misfit(f"Resize takes images [C, H, W], a sample here is {list(facts.shape)}")
    size = step.size if isinstance(step.size, tuple) else (step.size, step.size)
    return facts.with_shape((facts.shape[0], *size))


def _normalize(facts: Facts, step: Normalize) -> Facts:
    _refuse_codes(facts, step)
    channels = facts.shape[0] if len(facts.shape) in (1, 3) else facts.shape[-1]
    for key in ("mean", "std"):
        value: Any = getattr(step, key)
        if isinstance(value, list) and len(value) not in (1, channels):
            what = "channels" if len(facts.shape) == 3 else "features"
            raise Misfit(f"has {len(value)} values for {channels} {what}", key)
    return replace(facts.with_shape(facts.shape), levels={})


def _one_hot(facts: Facts, step: OneHot) -> Facts:
    _check_columns(facts, step.columns)
    columns: list[str] = []
    for name in facts.columns:
        values = facts.categories.get(name) or facts.levels[name] if name in step.columns else ()
        columns += [f"{name}={value}" for value in values] if name in step.columns else [name]
    return replace(_without(facts, step.columns), columns=tuple(columns), shape=(len(columns),))


def _ordinal(facts: Facts, step: Ordinal) -> Facts:
    _check_columns(facts, step.columns)
    return _without(facts, step.columns)


def _check_columns(facts: Facts, names: list[str]) -> None:
    for index, name in enumerate(names):
        if name not in facts.columns:
            there = f"there are: {', '.join(facts.columns[:20])}" if facts.columns else "the inputs have no names"
            raise Misfit(f"no input column is called {name!r}; {there}", "columns", index)
        if name not in {*facts.categories, *facts.levels} or name in names[:index]:
            detail = "is no column of text or of few whole numbers, or not any more"
            raise Misfit(f"{name!r} {detail}", "columns", index)
        if name in facts.missing:
            raise Misfit(f"{name!r} has missing values: Impute comes first", "columns", index)


def _without(facts: Facts, names: list[str]) -> Facts:
    categories = {key: texts for key, texts in facts.categories.items() if key not in names}
    levels = {key: numbers for key, numbers in facts.levels.items() if key not in names}
    return replace(facts, categories=categories, levels=levels)


def _impute(facts: Facts, step: Impute) -> Facts:
    texts = [name for name in facts.missing if name in facts.categories]
    if texts and step.strategy != "most_frequent":
        raise Misfit(f"{texts[0]!r} is text and has missing values: only most_frequent is for texts", "strategy")
    if step.strategy != "most_frequent":  # what is filled in may be none of the values
        facts = _without(facts, list(facts.missing))
    return replace(facts, missing=())


def _tokenize(facts: Facts, step: Tokenize) -> Facts:
    if facts.dtype != "text":
        raise Misfit("Tokenize takes texts, the inputs are numbers")
    facts = replace(facts, columns=(), categories={}, missing=())  # a missing text is an empty one
    if step.block_size is None:
        return replace(facts, shape=(step.max_length or 1,), dtype="int64", vocabulary=step.max_vocab)
    shape = (step.block_size,)
    return replace(
        facts, shape=shape, dtype="int64", vocabulary=step.max_vocab, classes=step.max_vocab, target_shape=shape
    )


def _to_numbers(facts: Facts, step: Preprocessor) -> Facts:
    return facts.with_shape(facts.shape)


def _fitted(facts: Facts, step: Standardize | MinMaxScale) -> Facts:
    _refuse_codes(facts, step)
    if facts.missing:
        raise Misfit(f"column {facts.missing[0]!r} has missing values: Impute comes before {step.type}")
    return replace(facts.with_shape(facts.shape), levels={})


def _refuse_codes(facts: Facts, step: Preprocessor) -> None:
    """Text that is only numbered yet is nothing to calculate with, and could not be told apart afterwards."""
    if facts.categories:
        raise Misfit(f"column {next(iter(facts.categories))!r} is text: OneHot or Ordinal comes before {step.type}")


EFFECTS: dict[type[Preprocessor], Callable[[Facts, Any], Facts]] = {
    Resize: _resize,
    Normalize: _normalize,
    Standardize: _fitted,
    MinMaxScale: _fitted,
    ToFloat: _to_numbers,
    OneHot: _one_hot,
    Ordinal: _ordinal,
    Impute: _impute,
    Tokenize: _tokenize,
}
