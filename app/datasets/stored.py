"""Data sets that were looked up: their facts and their files, told without a database."""

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from app.datasets.builtin import BUILTIN, builtin_facts
from app.datasets.facts import Facts, UnknownDataset
from app.datasets.formats import Description
from app.datasets.selection import Columns, select

Parts = dict[str, "Stored"]
"""By the part's name; a set without parts of its own is all "train"."""


@dataclass(frozen=True)
class Stored:
    """A data set and where its files are: `files` is their SHA-256 by role."""

    reference: str
    format: str
    sha256: str
    description: Description
    files: Mapping[str, str]


class Known:
    """What a process was told of data sets, by what the spec calls them."""

    def __init__(self, found: dict[str, Parts] | None = None) -> None:
        self._found = found or {}

    def find(self, reference: str) -> Parts:
        """Raises UnknownDataset."""
        if reference not in self._found:
            builtin_facts(reference)  # raises
            raise UnknownDataset(f"{reference} is built in and has no files")
        return self._found[reference]

    def facts_of(self, reference: str, columns: Columns | None = None, /) -> Facts:
        """Of the samples that the split cuts. Raises UnknownDataset, DatasetError (its pointer: below `columns`)."""
        if reference in BUILTIN:
            return builtin_facts(reference, columns)
        parts = self.find(reference)
        own = {part: stored.description["samples"] for part, stored in parts.items() if part != "train"}
        return replace(facts(parts["train"], columns), parts=own)

    def as_json(self, resolved: Mapping[str, Any]) -> dict[str, Any]:
        """What a resolved spec names, for `from_json` in a process that asks no database.

        What is not there is left out: whoever looks for it says so, with the pointer to it.
        """
        found = {}
        for name in named_in(resolved):
            if name not in BUILTIN:
                with suppress(UnknownDataset):
                    found[name] = {part: dict(vars(stored)) for part, stored in self.find(name).items()}
        return found

    def contents(self) -> dict[str, dict[str, str]]:
        """SHA-256 by data set and part: what a name meant when it was told."""
        return {name: {part: stored.sha256 for part, stored in parts.items()} for name, parts in self._found.items()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Known":
        return Known(
            {name: {part: Stored(**stored) for part, stored in parts.items()} for name, parts in document.items()}
        )


def named_in(resolved: Mapping[str, Any]) -> list[str]:
    """The data sets that a resolved spec names: one, or one for each part; and its model's word vectors."""
    dataset = (resolved.get("data") or {}).get("dataset")
    parts = {"train": dataset} if isinstance(dataset, str) else dataset
    names = list(parts.values()) if isinstance(parts, dict) and "train" in parts else []
    names.append((resolved.get("model") or {}).get("vectors"))
    return list(dict.fromkeys(name for name in names if name is not None))


def facts(stored: Stored, columns: Columns | None = None) -> Facts:
    """What the spec's checks need to know. Raises DatasetError with a pointer below `columns`."""
    chosen = select(stored.description, columns)
    rows = len(chosen.target_shape) > 1 or (chosen.target_shape and chosen.target_dtype == "int64")
    return Facts(
        stored.description["samples"],
        chosen.shape,
        chosen.dtype,
        chosen.classes,
        1 if chosen.classes is not None else math.prod(chosen.target_shape) if chosen.targets else 0,
        chosen.class_counts,
        stored.reference,
        target_shape=chosen.target_shape if rows else None,
        class_names=tuple(chosen.class_values or ()),
        targets=tuple(chosen.targets),
        columns=tuple(chosen.features),
        categories={name: tuple(values) for name, values in chosen.categories.items()},
        levels={name: tuple(values) for name, values in chosen.levels.items()},
        missing=tuple(chosen.missing),
    )
