"""From `over`, `zip` and `search` to the points: {pointer: value} each, the first key varying slowest."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from app.bodies import escape
from app.errors import InvalidPayload, PointedError
from app.sweeps.axes import MAX_POINTS, Axis, WrongAxis, read_axis
from app.sweeps.pointers import NoPlace, is_below, parts
from app.sweeps.schemas import Grid, Search

Point = dict[str, Any]


@dataclass(frozen=True)
class Mover:
    """Keys that move together: each of `values` has one value for each of them. Without values, one key is drawn."""

    keys: tuple[str, ...]
    values: Sequence[tuple[Any, ...]] = ()
    axis: Axis | None = None

    def draw(self, random: Random) -> tuple[Any, ...]:
        if self.axis is not None and self.axis.draw is not None:
            return (self.axis.draw(random),)
        return self.values[int(random.random() * len(self.values))]


def expand(over: Mapping[str, Any], zipped: Sequence[Sequence[str]], search: Search) -> list[Point]:
    """All points in order. Raises InvalidPayload, also for more than 10,000."""
    movers = join(read_axes(over), zipped)
    if isinstance(search, Grid):
        drawn = [mover.keys[0] for mover in movers if mover.axis is not None]
        if drawn:
            kinds = "uniform, loguniform and choice are drawn from: search must be random or asha"
            raise refusal([PointedError(pointer=over_pointer(key), detail=kinds) for key in drawn])
        count = math.prod(len(mover.values) for mover in movers)
        if count > MAX_POINTS:
            raise too_many(count)
        rows: Iterator[tuple[tuple[Any, ...], ...]] = itertools.product(*(mover.values for mover in movers))
        return [point_of(movers, row) for row in rows]
    random = Random(search.seed)
    return [point_of(movers, tuple(mover.draw(random) for mover in movers)) for _ in range(search.trials)]


def point_of(movers: Sequence[Mover], row: Sequence[tuple[Any, ...]]) -> Point:
    moved = (zip(mover.keys, values, strict=True) for mover, values in zip(movers, row, strict=True))
    return {key: value for pairs in moved for key, value in pairs}


def read_axes(over: Mapping[str, Any]) -> dict[str, Axis]:
    axes: dict[str, Axis] = {}
    wrong: list[PointedError] = []
    for key, raw in over.items():
        try:
            parts(key)
            axes[key] = read_axis(raw)
        except (NoPlace, WrongAxis) as error:
            wrong.append(PointedError(pointer=over_pointer(key), detail=str(error)))
        hidden = [earlier for earlier in axes if earlier != key and is_below(earlier, key)]
        if hidden:
            detail = f"would replace the values of {hidden[0]}, which stands before it"
            wrong.append(PointedError(pointer=over_pointer(key), detail=detail))
    if wrong:
        raise refusal(wrong)
    return axes


def join(axes: dict[str, Axis], zipped: Sequence[Sequence[str]]) -> list[Mover]:
    """Zipped keys as one mover, in the place of the first of them."""
    group_of: dict[str, Sequence[str]] = {}
    for index, group in enumerate(zipped):
        check_group(axes, group, group_of, f"/zip/{index}")
        group_of |= dict.fromkeys(group, group)
    movers: list[Mover] = []
    for key, axis in axes.items():
        group = group_of.get(key, (key,))
        if any(key in mover.keys for mover in movers):
            continue
        keys = tuple(other for other in axes if other in group)
        if axis.draw is not None:
            movers.append(Mover(keys, axis=axis))
        else:
            movers.append(Mover(keys, list(zip(*(axes[other].values for other in keys), strict=True))))
    return movers


def check_group(axes: Mapping[str, Axis], group: Sequence[str], taken: Mapping[str, Any], pointer: str) -> None:
    detail = None
    if len(set(group)) != len(group) or len(group) < 2:
        detail = "takes two or more keys that differ"
    elif any(key not in axes for key in group):
        detail = f"names {next(key for key in group if key not in axes)[:200]}, which is no key of over"
    elif any(key in taken for key in group):
        detail = f"names {next(key for key in group if key in taken)}, which moves with other keys already"
    elif any(axes[key].draw is not None for key in group):
        detail = "takes keys with values one by one, not distributions"
    elif len(lengths := {len(axes[key].values) for key in group}) > 1:
        detail = f"moves keys together that have as many values as each other, not {sorted(lengths)}"
    if detail is not None:
        raise refusal([PointedError(pointer=pointer, detail=detail)])


def over_pointer(key: str) -> str:
    return "/over/" + escape(key)


def too_many(count: int) -> InvalidPayload:
    return refusal([PointedError(pointer="/over", detail=f"makes {count} points; at most {MAX_POINTS} are allowed")])


def refusal(errors: Sequence[PointedError]) -> InvalidPayload:
    first = errors[0]
    return InvalidPayload(f"{first['pointer']} {first['detail']}", errors=errors, code="invalid_sweep")
