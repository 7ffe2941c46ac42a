"""Every point as a whole job spec, checked like one: by its document, and, for what differs in kind, by a dry run."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from app.datasets.references import Catalog
from app.errors import InvalidPayload, PointedError
from app.jobs import submission
from app.jobs.repository import Row
from app.jobs.submitted import Submission
from app.previews.service import QUEUE
from app.sweeps.pointers import NoPlace, assign, is_below
from app.sweeps.points import Point, over_pointer, refusal
from app.sweeps.schemas import NewSweep

CHECK_SECONDS = 60.0
"""For all points together: long tables of formulas, times thousands of points, are refused."""
DRY_RUN_SECONDS = 15.0
MAX_DRY_RUNS = 64
"""What is not tried out by then is tried out when it starts."""
MAX_ERRORS = 20


@dataclass(frozen=True)
class Checked:
    """`submissions` in the order of the points; the objective with its monitor."""

    submissions: Sequence[Submission]
    objective: dict[str, str]
    warnings: list[PointedError]


@dataclass
class Findings:
    """What is wrong, each thing once, with the first point that has it."""

    points: Sequence[Point]
    errors: dict[tuple[str, str], PointedError] = field(default_factory=dict)

    def add(self, number: int, errors: Sequence[PointedError]) -> None:
        for error in errors:
            where = in_sweep(error["pointer"], self.points[number])
            detail = f"{error['detail']} (point {number}: {described(self.points[number])})"
            self.errors.setdefault((where, error["detail"]), PointedError(pointer=where, detail=detail))

    def raise_any(self) -> None:
        if self.errors:
            raise refusal(list(self.errors.values())[:MAX_ERRORS])


def check_points(body: NewSweep, points: Sequence[Point], workers: Sequence[Row], catalog: Catalog) -> Checked:
    """Raises InvalidPayload; its pointers lead into `over` where a swept value is wrong, else into `spec`."""
    findings = Findings(points)
    deadline = time.monotonic() + CHECK_SECONDS
    submissions: list[Submission] = []
    for number, point in enumerate(points):
        try:
            submissions.append(submission.read(spec_of(body.spec, point), workers, catalog))
        except InvalidPayload as wrong:
            findings.add(number, wrong.errors)
        if len(findings.errors) >= MAX_ERRORS:
            break
        if time.monotonic() > deadline:
            detail = f"takes too long to check: {number + 1} of {len(points)} points took {CHECK_SECONDS:g} seconds"
            raise refusal([PointedError(pointer="/over", detail=detail)])
    findings.raise_any()
    kinds: dict[bytes, list[int]] = {}
    for number, found in enumerate(submissions):
        kinds.setdefault(kind_of(found.resolved), []).append(number)
    first_ones = [numbers[0] for numbers in kinds.values()]
    objective = find_objective(body, submissions, first_ones, workers, findings, catalog)
    warnings = try_out(submissions, list(kinds.values()), workers, findings, catalog)
    findings.raise_any()
    return Checked(submissions, objective, warnings)


def spec_of(spec: dict[str, Any], point: Point) -> dict[str, Any]:
    """The point's own spec. Raises InvalidPayload where the spec has no such place."""
    for key, value in point.items():
        try:
            spec = assign(spec, key, value)
        except NoPlace as error:
            detail = str(error)
            raise InvalidPayload(detail, errors=[PointedError(pointer=key, detail=detail)]) from None
    return spec


def kind_of(resolved: Mapping[str, Any]) -> bytes:
    """What a dry run's findings depend on: all but the seed, the epochs, and how large the training's numbers are."""
    rest = {key: value for key, value in resolved.items() if key not in ("name", "metadata", "seed", "checkpoint")}
    for key in ("optimizer", "scheduler", "phases", "training"):
        rest[key] = without_floats(rest.get(key))
    return orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)


def without_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_floats(child) for key, child in value.items() if key != "epochs"}
    if isinstance(value, list):
        return [without_floats(child) for child in value]
    return 0.5 if isinstance(value, float) else value


def find_objective(
    body: NewSweep,
    submissions: Sequence[Submission],
    kinds: Sequence[int],
    workers: Sequence[Row],
    findings: Findings,
    catalog: Catalog,
) -> dict[str, str]:
    """With its monitor, which every point must have: what `keep_best` would watch."""
    watched: dict[str, int] = {}
    given = {"monitor": body.objective.monitor, "mode": body.objective.mode}
    for number in kinds:
        document = submissions[number].document
        probe = {**document, "checkpoint": {**document.get("checkpoint", {}), "keep_best": given}}
        try:
            resolved = submission.read(probe, workers, catalog).resolved
            watched.setdefault(resolved["checkpoint"]["keep_best"]["monitor"], number)
        except InvalidPayload as wrong:
            about = [error for error in wrong.errors if error["pointer"].startswith("/checkpoint/keep_best")]
            findings.errors |= {
                ("/objective/monitor", error["detail"]): PointedError(
                    pointer="/objective/monitor", detail=error["detail"]
                )
                for error in about
            }
    findings.raise_any()
    if len(watched) > 1:
        detail = f"must be given: some points would watch {' and some '.join(watched)}"
        raise refusal([PointedError(pointer="/objective/monitor", detail=detail)])
    return {"monitor": next(iter(watched)), "mode": body.objective.mode}


def try_out(
    submissions: list[Submission],
    kinds: Sequence[Sequence[int]],
    workers: Sequence[Row],
    findings: Findings,
    catalog: Catalog,
) -> list[PointedError]:
    """One dry run for each kind of point, as far as time goes; what they warn of.

    Like a single job, a point that was tried out has the sizes of its model filled in.
    """
    warnings: dict[tuple[str, str], PointedError] = {}
    if not any(worker["queue"] == QUEUE for worker in workers):
        return []
    deadline = time.monotonic() + DRY_RUN_SECONDS
    for numbers in kinds[:MAX_DRY_RUNS]:
        first = numbers[0]
        try:
            tried, told = submission.tried_out(submissions[first], workers, catalog)
        except InvalidPayload as wrong:
            findings.add(first, wrong.errors)
        else:
            for warning in told:
                warnings.setdefault((warning["pointer"], warning["detail"]), in_place(warning, findings.points[first]))
            model, device = tried.resolved["model"], tried.resolved["resources"]["device"]
            for number in numbers:
                found = submission.on_device(submissions[number], device, catalog)
                resolved = found.resolved | {"model": model}
                submissions[number] = replace(found, resolved=resolved, parameters=tried.parameters)
        if time.monotonic() > deadline or len(findings.errors) >= MAX_ERRORS:
            break
    return list(warnings.values())


def in_place(error: PointedError, point: Point) -> PointedError:
    return PointedError(pointer=in_sweep(error["pointer"], point), detail=error["detail"])


def in_sweep(pointer: str, point: Point) -> str:
    """Where in the sweep's document that place of a point's spec comes from."""
    swept = [key for key in point if is_below(pointer, key)]
    return over_pointer(max(swept, key=len)) if swept else "/spec" + pointer


def described(point: Point) -> str:
    """`/optimizer/lr = 0.1, /seed = 3`, cut where it gets long."""
    return ", ".join(texts(point))[:300]


def texts(point: Point) -> Iterator[str]:
    for key, value in point.items():
        text = orjson.dumps(value).decode()
        yield f"{key} = {text if len(text) <= 80 else text[:77] + '...'}"
