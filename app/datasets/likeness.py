"""Whether a validation or test set of its own is of the same kind as the training set."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.datasets.facts import Facts


def columns_like(
    columns: Mapping[str, Any] | None, inputs: Sequence[str], targets: Sequence[str]
) -> dict[str, Any] | None:
    """The spec's `columns`, with those of the training set where the spec leaves the choice to the data set."""
    chosen = dict(columns or {})
    if inputs:
        chosen.setdefault("inputs", list(inputs))
        if targets:
            chosen.setdefault("target", targets[0] if len(targets) == 1 else list(targets))
    return chosen or None


def misfit(own: Facts, train: Facts, *, numbers: bool) -> str | None:
    """A sentence about what another part has that the training part has not; None: they go together.

    `numbers`: the targets are numbers to the loss, whatever classes they might be.
    """
    if own.shape != train.shape or own.dtype != train.dtype:
        return f"has samples {list(own.shape)} of {own.dtype}, the training part {list(train.shape)} of {train.dtype}"
    if own.dtype != "text":
        for name in own.columns:
            if (name in own.categories) != (name in train.categories):
                here, there = ("text", "numbers") if name in own.categories else ("numbers", "text")
                return f"holds {here} in column {name!r}, the training part {there}"
            strangers = sorted(set(own.categories.get(name, ())) - set(train.categories.get(name, ())))
            if strangers:
                return f"has {strangers[0]!r} in column {name!r}, which the training part has not"
    if numbers:
        return None
    if (own.classes is None) != (train.classes is None):
        return "has other targets than the training part: classes against numbers"
    return _strange_class(own, train)


def _strange_class(own: Facts, train: Facts) -> str | None:
    if train.classes is None or own.classes is None:
        return None
    known = set(train.class_names or range(train.classes))
    present = own.class_names or [value for value, count in enumerate(own.class_counts) if count] or [own.classes - 1]
    strangers = [value for value in present if value not in known]
    return f"has the class {strangers[0]!r}, which the training part has not" if strangers else None
