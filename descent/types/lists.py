"""What lists have in common."""

from collections.abc import Mapping
from typing import Any, Final, Generic, Literal, TypeAlias, TypedDict, TypeVar

Spec: TypeAlias = Mapping[str, Any]
Status: TypeAlias = Literal["queued", "running", "pausing", "paused", "cancelling", "cancelled", "succeeded", "failed"]
ENDED: Final = frozenset({"succeeded", "failed", "cancelled"})

Item = TypeVar("Item")


class Page(TypedDict, Generic[Item]):
    """A list of things with ids."""

    object: Literal["list"]
    data: list[Item]
    first_id: str | None
    last_id: str | None
    has_more: bool


class Rows(TypedDict, Generic[Item]):
    """A list of a job's rows by ascending `seq`; go on with `after_seq=last_seq`."""

    object: Literal["list"]
    data: list[Item]
    last_seq: int
    has_more: bool


class PointedError(TypedDict):
    pointer: str
    detail: str
