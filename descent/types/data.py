"""Data sets, weights, and names on checkpoints."""

from typing import Any, Literal, NotRequired, TypedDict


class Dataset(TypedDict):
    """One version of a data set; `shape` and `classes` are of a sample whose inputs are all columns but the target."""

    id: str
    object: Literal["dataset"]
    name: str
    version: int
    format: str
    target: str | None
    samples: int
    shape: list[int] | None
    dtype: str | None
    classes: int | None
    class_names: list[str] | None
    bytes: int
    sha256: str
    columns: list[dict[str, Any]]
    warnings: list[str]
    published: bool
    created_at: str


class Weights(TypedDict):
    """An upload that models may start from; `parameters` counts the numbers in all its tensors."""

    id: str
    object: Literal["weights"]
    name: str | None
    parameters: int
    tensors: NotRequired[list[dict[str, Any]]]
    bytes: int
    sha256: str
    created_at: str


class AliasSummary(TypedDict):
    """A name on a checkpoint."""

    id: str
    object: Literal["alias"]
    name: str
    checkpoint: str
    job_id: str
    version: int
    changed_at: str
    changed_by: str | None


class AliasMove(TypedDict):
    """`checkpoint` None: the name was taken off."""

    version: int
    job_id: str | None
    moved_at: str
    moved_by: str | None
    checkpoint: str | None


class Alias(AliasSummary):
    """The newest moves first."""

    history: list[AliasMove]
