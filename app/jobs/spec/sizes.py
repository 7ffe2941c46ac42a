"""Sizes as torch.nn takes them: one number, or one for each dimension."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from app.jobs.spec.activations import Layer
from app.jobs.spec.base import (
    Complaint,
    Index,
    Size,
    shape_of,
)

Sizes = Annotated[
    Annotated[Size, Tag("one")] | Annotated[list[Size], Field(min_length=1, max_length=3), Tag("list")],
    Discriminator(shape_of),
]
SizesOrNone = Annotated[
    Annotated[Size, Tag("one")] | Annotated[list[Size | None], Field(min_length=1, max_length=3), Tag("list")],
    Discriminator(shape_of),
]
Pads = Annotated[
    Annotated[Index, Tag("one")] | Annotated[list[Index], Field(min_length=1, max_length=6), Tag("list")],
    Discriminator(shape_of),
]
PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]


def _pads_or_word(value: Any) -> str:
    return "word" if isinstance(value, str) else shape_of(value)


ConvPadding = Annotated[
    Annotated[Literal["valid", "same"], Tag("word")]
    | Annotated[Index, Tag("one")]
    | Annotated[list[Index], Field(min_length=1, max_length=3), Tag("list")],
    Discriminator(_pads_or_word),
]


class Spatial(Layer):
    """Checks that a list of sizes has as many entries as the layer has dimensions."""

    def rules(self) -> Iterator[Complaint]:
        dimensions = int(self.type[-2]) if self.type[-1] == "d" else None
        for key in ("kernel_size", "stride", "padding", "dilation", "output_padding", "output_size"):
            value = getattr(self, key, None)
            if isinstance(value, list) and dimensions is not None and len(value) != dimensions:
                yield Complaint((key,), f"needs one number or {dimensions}")


NormalizedShape = Annotated[
    Annotated[Size, Tag("one")] | Annotated[list[Size], Field(min_length=1, max_length=8), Tag("list")],
    Discriminator(shape_of),
]
