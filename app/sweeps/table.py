"""A sweep as a table: the objective by some of what was swept, over the rest, with paired differences."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import fmean
from typing import Any

import orjson

from app.database import ProjectSession
from app.errors import InvalidPayload, PointedError
from app.records.service import as_csv as rows_as_csv
from app.sweeps import repository, service
from app.sweeps.checks import spec_of
from app.sweeps.objective import Reached, best_values, times_to
from app.sweeps.pointers import MISSING, NoPlace, is_below, look_up
from app.sweeps.points import Point
from app.sweeps.student import summary

MAX_PAIRED = 30
"""With more rows than this, each is compared with the best one only."""


@dataclass
class Group:
    """The points with one value; `values` and `times` by what pairs them, which is everything else that was swept."""

    value: Any
    points: int = 0
    values: dict[bytes, list[float]] = field(default_factory=lambda: defaultdict(list))
    times: list[Reached] = field(default_factory=list)

    @property
    def all_values(self) -> list[float]:
        return [value for values in self.values.values() for value in values]


def table(
    session: ProjectSession, sweep_id: str, by: Sequence[str], over: Sequence[str], target: float | None
) -> dict[str, Any]:
    """Raises NotFound, and InvalidPayload for a `by` or `over` that is nowhere in the points."""
    sweep = service.find(session, sweep_id)
    objective, document = sweep["objective"], sweep["document"]
    by, over = chosen(list(document["over"]), by, over)
    found = best_values(session, sweep_id, objective)
    times = {} if target is None else times_to(session, sweep_id, objective, target)
    groups: dict[bytes, Group] = {}
    known: set[str] = set()
    for row in repository.points_of(session, sweep_id):
        values = {key: value_at(document["spec"], row["point"], key) for key in (*by, *over)}
        known |= {key for key, value in values.items() if value is not MISSING}
        grouped = {key: None if values[key] is MISSING else values[key] for key in by}
        value = grouped[by[0]] if len(by) == 1 else grouped
        group = groups.setdefault(canonical(grouped), Group(value))
        group.points += 1
        if row["job_id"] in times:
            group.times.append(times[row["job_id"]])
        if row["job_id"] in found and row["status"] != "failed":
            group.values[pairing(row["point"], values, by, over)].append(found[row["job_id"]].value)
    check_known(by, over, known)
    listed = list(groups.values())
    best = best_group(listed, objective["mode"])
    return {
        "object": "table",
        "sweep_id": sweep_id,
        "by": by,
        "over": over,
        "objective": objective,
        "target": target,
        "rows": [table_row(group, best, target) for group in listed],
        "differences": [{"a": a.value, "b": b.value, **difference(a, b)} for a, b in combinations(listed, 2)]
        if len(listed) <= MAX_PAIRED
        else [],
    }


def chosen(swept: list[str], by: Sequence[str], over: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is left out of the two is the rest of the swept keys; with neither given, `over` is the seed."""
    if not by and not over:
        over = [key for key in swept if key == "/seed" and len(swept) > 1]
    if not by:
        by = [key for key in swept if not any(related(key, other) for other in over)]
    if not over:
        over = [key for key in swept if not any(related(key, other) for other in by)]
    return list(dict.fromkeys(by)), list(dict.fromkeys(over))


def related(a: str, b: str) -> bool:
    return is_below(a, b) or is_below(b, a)


def value_at(spec: dict[str, Any], point: Point, pointer: str) -> Any:
    """What the point's spec has there; MISSING for nothing, and for what is no pointer."""
    if pointer in point:
        return point[pointer]
    try:
        return look_up(spec_of(spec, point), pointer)
    except NoPlace:
        return MISSING


def check_known(by: Sequence[str], over: Sequence[str], known: set[str]) -> None:
    wrong = [
        PointedError(pointer=f"/query/{name}", detail=f"no point of the sweep has a value at {key[:200]!r}")
        for name, keys in (("by", by), ("over", over))
        for key in keys
        if key not in known
    ]
    if wrong:
        raise InvalidPayload("Some parameters are wrong.", errors=wrong)


def pairing(point: Point, values: Mapping[str, Any], by: Sequence[str], over: Sequence[str]) -> bytes:
    """Equal for points that differ in nothing but `by`."""
    rest = {key: value for key, value in point.items() if not any(related(key, other) for other in by)}
    return canonical(rest | {key: None if values[key] is MISSING else values[key] for key in over})


def canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def best_group(groups: Sequence[Group], mode: str) -> Group | None:
    told = [group for group in groups if group.values]
    sign = 1 if mode == "min" else -1
    return min(told, key=lambda group: sign * fmean(group.all_values), default=None)


def table_row(group: Group, best: Group | None, target: float | None) -> dict[str, Any]:
    compared = best is not None and group is not best and group.values
    return {
        "value": group.value,
        "points": group.points,
        **summary(group.all_values),
        "target": None if target is None else target_of(group),
        "difference_to_best": difference(group, best) if compared and best is not None else None,
    }


def target_of(group: Group) -> dict[str, Any]:
    """How many points were as good as the target, and after how many epochs and seconds of training."""
    return {
        "reached": len(group.times),
        "epochs": summary([time.epoch for time in group.times]),
        "seconds": summary([time.seconds for time in group.times]),
    }


def difference(a: Group, b: Group) -> dict[str, Any]:
    """a - b over the pairs of points that differ in nothing else."""
    return summary([fmean(a.values[key]) - fmean(b.values[key]) for key in a.values if key in b.values])


def as_csv(found: Mapping[str, Any]) -> str:
    """The rows; values that are objects or lists are JSON, `interval.0` and `interval.1` are its ends."""
    return rows_as_csv([{**row, "value": plain(row["value"])} for row in found["rows"]])


def plain(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value
