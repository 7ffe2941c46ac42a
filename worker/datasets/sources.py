"""Sources as tensors in their own precision: scikit-learn's built-in sets and data written into the spec."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from app.datasets.errors import DatasetError
from app.datasets.likeness import columns_like
from app.jobs.spec.data import Data, Inline, Parts
from worker.datasets.tables import Columns


@dataclass(frozen=True)
class Source:
    """`inputs` [n, ...] as they are (float64, uint8, int64), or texts; `weights` float64 [n].

    `target_names` are those of their columns; `largest` is that of the type that whole numbers had at their source.
    `targets`: int64 [n] for classes (or whole-number arrays), float64 [n] or [n, width] for numbers.
    """

    inputs: Tensor | Sequence[str]
    targets: Tensor
    weights: Tensor | None = None
    columns: Columns = field(default_factory=Columns)
    target_names: tuple[str, ...] = ()
    largest: int | None = None


class SourceOf(Protocol):
    """Reads a data set: its parts by name, "train" alone for a set without parts of its own.

    `target` is "class", "number", or "binary" (classes where there are two); `like`: the training source, whose classes
    and categories another set has to share.
    """

    def __call__(
        self, reference: str, columns: Mapping[str, Any] | None, target: str, like: Source | None = None, /
    ) -> dict[str, Source]: ...


def own_sources(data: Data, target: str, source_of: SourceOf) -> dict[str, Source]:
    """The sources of a data set with a name, or with one for each part: "train", and the parts that it brings along."""
    columns = data.columns.model_dump(exclude_none=True) if data.columns is not None else None
    if not isinstance(data.dataset, Parts):
        return source_of(str(data.dataset), columns, target)
    own = {"train": source_of(data.dataset.train, columns, target)["train"]}
    train = own["train"]
    columns = columns_like(columns, train.columns.names if isinstance(train.inputs, Tensor) else (), train.target_names)
    for part in ("validation", "test"):
        name = getattr(data.dataset, part)
        if name is not None:
            own[part] = source_of(name, columns, target, train)["train"]
    return own


def builtin_source(
    reference: str, columns: Mapping[str, Any] | None = None, target: str = "class", like: Source | None = None
) -> dict[str, Source]:
    """A data set that scikit-learn ships; digits are images [1, 8, 8] of 0..16."""
    from sklearn import datasets  # takes half a second: only a worker that needs it pays

    loaded: Any = getattr(datasets, f"load_{reference}")()
    inputs = loaded.images[:, None] if reference == "digits" else loaded.data
    return {"train": Source(torch.as_tensor(inputs, dtype=torch.float64), torch.as_tensor(loaded.target))}


def inline_source(inline: Inline) -> Source:
    return Source(torch.tensor(inline.inputs, dtype=torch.float64), torch.tensor(inline.targets, dtype=torch.float64))


def in_codes(source: Source) -> Source:
    """A source whose one input is text that stands for a category: a column of codes, NaN for a missing one."""
    if isinstance(source.inputs, Tensor):
        return source
    (name,) = source.columns.names
    places = {value: float(place) for place, value in enumerate(source.columns.categories[name])}
    strangers = (text for text in source.inputs if text and text not in places)
    if (stranger := next(strangers, None)) is not None:
        raise DatasetError(f"{stranger!r} is no value of the training part", column=name)
    codes = [places.get(text, math.nan) for text in source.inputs]
    return replace(source, inputs=torch.tensor(codes, dtype=torch.float64)[:, None])


def shaped_targets(targets: Tensor, target: str) -> Tensor:
    """As the loss takes them: "class" int64 [n] (or [n, ...] for one class a place), "number" float64 [n, width]."""
    if target == "class":
        return targets.long().squeeze(1) if targets.ndim == 2 and targets.shape[1] == 1 else targets.long()
    return targets.reshape(len(targets), -1).double()
