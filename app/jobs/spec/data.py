"""Where the samples come from, how they are split and prepared."""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PlainValidator, Tag
from pydantic_core import PydanticCustomError

from app.jobs.spec.augment import AUGMENTATIONS, Augmentation, CutMix, MixUp
from app.jobs.spec.base import Boolean, Complaint, Component, Count, Integer, Section, Size, Table, shape_of
from app.jobs.spec.preprocess import PREPROCESSORS, Preprocessor

ColumnName = Annotated[str, Field(min_length=1, max_length=200)]
MAX_INLINE_NUMBERS = 10_000
MAX_SYNTHETIC_NUMBERS = 2**31
Seed = Annotated[Integer, Field(ge=0, lt=2**31)]


def _portion(value: Any) -> float | int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(min(value, 2**53)):
        raise PydanticCustomError("number", "must be a number")
    if value < 0:
        raise PydanticCustomError("number", "must not be negative")
    if value <= 1:
        return float(value)
    if value != int(min(value, 2**53)):
        raise PydanticCustomError("number", "must be a fraction up to 1 or a whole number of samples")
    return int(value)


# Up to 1 a fraction (1: all), above it a number of samples.
Portion = Annotated[float | int, PlainValidator(_portion, json_schema_input_type=float)]


class Split(Section):
    train: Portion
    validation: Portion = 0.0
    test: Portion = 0.0
    seed: Seed = 0
    stratify: Boolean = False

    def rules(self) -> Iterator[Complaint]:
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        if self.train == 0:
            yield Complaint(("train",), "the training part must not be empty")
        if self.stratify:
            for name, value in parts.items():
                if value > 1:
                    yield Complaint((name,), "must be a fraction with stratify")
        if all(value <= 1 for value in parts.values()) and sum(parts.values()) > 1 + 1e-9:
            yield Complaint((), f"the fractions sum to {sum(parts.values()):g}, above 1")


class Inline(Component):
    """The data in the spec itself: rows of inputs, and for each a class or a row of numbers."""

    type: Literal["inline"] = "inline"
    inputs: list[Any]
    targets: list[Any]

    def rules(self) -> Iterator[Complaint]:
        complaints = [*_shape_complaints("inputs", self.inputs), *_shape_complaints("targets", self.targets)]
        yield from complaints
        if complaints:
            return
        if len(self.inputs) != len(self.targets):
            yield Complaint(("targets",), f"has {len(self.targets)} rows, inputs has {len(self.inputs)}")
        if len(shape_of_rows(self.inputs)) < 2:
            yield Complaint(("inputs", 0), "must be a list: a sample is a row of numbers")
        if len(shape_of_rows(self.targets)) > 2:
            yield Complaint(("targets", 0), "must be a number or a list of numbers")


def shape_of_rows(rows: Any) -> tuple[int, ...]:
    """The shape of a nested list by its first elements."""
    shape = []
    while isinstance(rows, list) and rows:
        shape.append(len(rows))
        rows = rows[0]
    return tuple(shape)


def _shape_complaints(key: str, rows: list[Any]) -> list[Complaint]:
    if not rows:
        return [Complaint((key,), "must not be empty")]
    shape = shape_of_rows(rows)
    if math.prod(shape) > MAX_INLINE_NUMBERS or len(shape) > 5:
        return [Complaint((key,), f"inline data has at most {MAX_INLINE_NUMBERS} numbers; upload larger sets")]
    return _check_level(rows, shape, (key,))


def _check_level(value: Any, shape: tuple[int, ...], path: tuple[str | int, ...]) -> list[Complaint]:
    if not shape:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(min(value, 2**53)):
            return [Complaint(path, "must be a finite number")]
        return [] if abs(value) < 2**1000 else [Complaint(path, "is too large a number")]
    if not isinstance(value, list) or len(value) != shape[0]:
        return [Complaint(path, f"must be a list of {shape[0]}, as the first one is")]
    for index, item in enumerate(value):
        found = _check_level(item, shape[1:], (*path, index))
        if found:
            return found
    return []


class Synthetic(Component):
    """Learnable data made on the worker: class centres, a linear map, or token chains of `shape` [length]."""

    type: Literal["synthetic"] = "synthetic"
    task: Literal["classification", "regression", "tokens"]
    samples: Annotated[Count, Field(le=100_000_000)]
    shape: Annotated[list[Size], Field(min_length=1, max_length=5)] = [16]
    classes: Annotated[Integer, Field(ge=2, le=1_000_000)] = 10
    seed: Seed = 0

    def rules(self) -> Iterator[Complaint]:
        if self.samples * math.prod(self.shape) > MAX_SYNTHETIC_NUMBERS:
            yield Complaint(("samples",), f"makes more than {MAX_SYNTHETIC_NUMBERS} numbers with this shape")
        if self.task == "tokens" and len(self.shape) != 1:
            yield Complaint(("shape",), "must be [length] for tokens")


DATASETS = Table("dataset")
DATASETS.add(Inline, Synthetic)


class Columns(Section):
    """Which columns of an upload are what; without it, all but the upload's target are inputs."""

    inputs: Annotated[list[ColumnName], Field(min_length=1, max_length=10_000)] | None = None
    target: (
        Annotated[
            Annotated[ColumnName, Tag("one")]
            | Annotated[list[ColumnName], Field(min_length=1, max_length=10_000), Tag("list")],
            Discriminator(shape_of),
        ]
        | None
    ) = None
    weight: ColumnName | None = None


DatasetName = Annotated[str, Field(min_length=1, max_length=200)]


class Parts(Section):
    """A data set for each part; the split then cuts only what is missing."""

    train: DatasetName
    validation: DatasetName | None = None
    test: DatasetName | None = None


def _kind_of_dataset(value: Any) -> str:
    if isinstance(value, str):
        return "name"
    named = isinstance(value, dict) and "type" not in value and value.keys() & Parts.model_fields.keys()
    is_parts = isinstance(value, Parts) or named
    return "parts" if is_parts else "object"


Dataset = Annotated[
    Annotated[DatasetName, Tag("name")]
    | Annotated[Parts, Tag("parts")]
    | Annotated[Annotated[Component, DATASETS], Tag("object")],
    Discriminator(_kind_of_dataset),
]


class Data(Section):
    dataset: Dataset
    columns: Columns | None = None
    split: Split = Split(train=1.0)
    preprocess: Annotated[list[Annotated[Preprocessor, PREPROCESSORS]], Field(max_length=20)] = []
    augment: Annotated[list[Annotated[Augmentation, AUGMENTATIONS]], Field(max_length=20)] = []

    def rules(self) -> Iterator[Complaint]:
        if self.columns is not None and isinstance(self.dataset, Inline | Synthetic):
            yield Complaint(("columns",), "are for uploaded data")
        weighted = self.columns is not None and self.columns.weight is not None
        for index, step in enumerate(self.augment):
            if weighted and isinstance(step, MixUp | CutMix):
                yield Complaint(("augment", index), "does not go with sample weights")
        for part in ("validation", "test"):
            if isinstance(self.dataset, Parts) and getattr(self.dataset, part) and getattr(self.split, part):
                yield Complaint(("split", part), f"is left out: the data set's own {part} part is used")
        if isinstance(self.dataset, Synthetic):
            if self.preprocess:
                yield Complaint(("preprocess",), "synthetic data needs none: leave it out")
            if self.split.stratify or self.split.seed:
                key = "stratify" if self.split.stratify else "seed"
                yield Complaint(("split", key), "synthetic data is drawn in random order: leave it out")
