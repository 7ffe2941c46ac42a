"""Preprocessing in float64, in the order given; what is fitted is fitted on the training part."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from app.jobs.spec.base import Boolean, Complaint, Component, Number, Positive, Size, Table, shape_of

ImageSize = Annotated[Size, Field(le=4096)]
SizeOrPair = Annotated[
    Annotated[ImageSize, Tag("one")] | Annotated[tuple[ImageSize, ImageSize], Tag("list")], Discriminator(shape_of)
]
Numbers = Annotated[
    Annotated[Number, Tag("one")] | Annotated[list[Number], Field(min_length=1, max_length=10_000), Tag("list")],
    Discriminator(shape_of),
]
Deviations = Annotated[
    Annotated[Positive, Tag("one")] | Annotated[list[Positive], Field(min_length=1, max_length=10_000), Tag("list")],
    Discriminator(shape_of),
]


class Preprocessor(Component):
    """One step between the source and the model."""


class Normalize(Preprocessor):
    """`(x - mean) / std` with given numbers: one for all, or one a channel of an image, a feature of a table."""

    type: Literal["Normalize"] = "Normalize"
    mean: Numbers
    std: Deviations

    def rules(self) -> Iterator[Complaint]:
        lengths = [len(value) if isinstance(value, list) else 1 for value in (self.mean, self.std)]
        if lengths[0] != lengths[1] and min(lengths) > 1:
            yield Complaint(("std",), f"has {lengths[1]} values, mean has {lengths[0]}")


class Standardize(Preprocessor):
    """`(x - mean(0)) / std(0, unbiased=False)`, feature by feature."""

    type: Literal["Standardize"] = "Standardize"


class MinMaxScale(Preprocessor):
    """`(x - min) / (max - min)`, feature by feature."""

    type: Literal["MinMaxScale"] = "MinMaxScale"


class Resize(Preprocessor):
    """Bilinear, corners not aligned, no antialias; one number is a square."""

    type: Literal["Resize"] = "Resize"
    size: SizeOrPair


class ToFloat(Preprocessor):
    """Integer pixels divided by their type's largest value; other numbers stay."""

    type: Literal["ToFloat"] = "ToFloat"


ColumnNames = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=200)]], Field(min_length=1, max_length=10_000)
]


class OneHot(Preprocessor):
    """Each named text column becomes one column for each of its values, 1 where it has that value."""

    type: Literal["OneHot"] = "OneHot"
    columns: ColumnNames


class Ordinal(Preprocessor):
    """Each named text column becomes the place of its value in the sorted list of them."""

    type: Literal["Ordinal"] = "Ordinal"
    columns: ColumnNames


class Impute(Preprocessor):
    """Missing numbers become the column's mean, median or most frequent value in the training part."""

    type: Literal["Impute"] = "Impute"
    strategy: Literal["mean", "median", "most_frequent"] = "mean"


class Tokenize(Preprocessor):
    """Texts as `max_length` token numbers, cut or filled with 0; 1 is a token outside the vocabulary.

    The vocabulary, at most `max_vocab` entries with those two, is made from the training part by count.
    `block_size`, for language models: all texts one after another, cut into samples of so many tokens whose targets
    are the same shifted by one; these samples are what the split takes.
    """

    type: Literal["Tokenize"] = "Tokenize"
    level: Literal["word", "character", "byte"] = "word"
    max_vocab: Annotated[Size, Field(ge=3, le=10_000_000)] = 25_000
    max_length: Annotated[Size, Field(le=100_000)] | None = None
    block_size: Annotated[Size, Field(le=100_000)] | None = None
    lowercase: Boolean = False

    def rules(self) -> Iterator[Complaint]:
        if self.max_length is None and self.block_size is None:
            yield Complaint(("max_length",), "is required, or block_size for a language model")
        elif self.max_length is not None and self.block_size is not None:
            yield Complaint(("max_length",), "is left out with block_size")


PREPROCESSORS = Table("preprocessor")
PREPROCESSORS.add(Normalize, Standardize, MinMaxScale, Resize, ToFloat, OneHot, Ordinal, Impute, Tokenize)
