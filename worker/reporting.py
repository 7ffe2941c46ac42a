"""From the engine's reports to rows, in groups; and the comparison of epochs that were trained before."""

import math
import time
from collections.abc import Mapping
from typing import Any

from app.ids import new_id
from app.jobs.leases import Claimed, Group, Resume, Written
from app.jobs.leases.groups import Kind
from app.rendering import number
from worker.logs import AttemptLog

EXTRA = ("parameters", "gradients", "ema_validation_loss", "telemetry")


def jsonable(value: Any) -> Any:
    """JSON columns carry no NaN: words stand for the numbers that are not finite."""
    if isinstance(value, float):
        return number(value)
    if isinstance(value, Mapping):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if isinstance(value, str) else value


def rates(report: dict[str, Any]) -> dict[str, Any]:
    return {"learning_rates": [float(rate) for rate in report["learning_rates"]]}


class Recorder:
    """What the trainer reported and is not written yet. The caller sees to it that one thread is here at a time."""

    def __init__(self, claimed: Claimed) -> None:
        self._claimed = claimed
        self._log = AttemptLog()
        self._group = Group()
        self._progress = dict(claimed.progress)
        self._best = claimed.best
        self._resumed: dict[str, Any] | None = None
        """The `resumed` part of the engine's report, while repeated epochs are still being compared."""
        self._starting: dict[str, Any] | None = None
        """The same before its group is taken."""
        self._compared: set[int] = set()
        self._difference: dict[str, Any] | None = None
        checkpoint = claimed.resolved_spec["checkpoint"]
        self._keep_last: int = checkpoint["keep_last"]
        self._keep_best: dict[str, Any] | None = checkpoint["keep_best"]
        self.resume: Resume | None = None
        """The checkpoint that the trainer was given."""
        self._foreign = False
        """Whether rows are to be marked as of another environment."""
        self.newest_file: str | None = None
        """The last checkpoint that this attempt has written, relative to the store."""

    @property
    def backlog(self) -> int:
        """Rows that wait; 1 for news without a row."""
        return len(self._group.items) or int(bool(self._group) or self._log.waiting)

    @property
    def last_epoch(self) -> int:
        """Whole epochs that the trainer has done."""
        return int(self._progress.get("epoch", 0))

    def add(self, report: dict[str, Any] | bytes) -> None:
        if isinstance(report, bytes):
            self._log.add(report)
            return
        kind = report["type"]
        if kind == "epoch":
            self._epoch(report)
        elif kind == "step":
            self._item("step", {key: report.get(key) for key in STEP_COLUMNS} | rates(report))
        elif kind == "event":
            data = report.get("data") or {}
            self.event(report["event"], report["message"], report.get("level", "info"), data)
            if report["event"] == "rolled_back":
                self._advance(**data["back_to"])
                self._best = self._group.job["best"] = jsonable(data["best"])
        elif kind == "checkpoint":
            self._checkpoint(report)
        elif kind == "progress":
            self._advance(report["epoch"], report["step"], report["phase"])
        elif kind == "activity":
            self._group.job["activity"] = report["activity"]
        elif kind == "started":
            self._started(report)

    def event(self, type: str, message: str, level: str = "info", data: dict[str, Any] | None = None) -> None:
        columns = {"type": type, "message": jsonable(message), "level": level, "data": jsonable(data or {})}
        self._item("event", columns)

    def point_to(self, checkpoint: Resume | None) -> None:
        self._group.job["latest_checkpoint_id"] = None if checkpoint is None else checkpoint.id

    def take(self) -> Group:
        """Everything so far."""
        if self._starting is not None:
            self._resumed, self._starting = self._starting, None
        group, self._group = self._group, Group()
        group.keep_last = self._keep_last
        group.log, group.log_dropped = self._log.take()
        if "progress" in group.job:
            group.job["progress"] = dict(self._progress)
        return group

    def written(self, written: Written, judged: bool) -> None:
        """The group is in the database, with the verdict where there was one."""
        self._compared |= set(written.compared)
        self._difference = self._difference or difference_of(written)
        if judged:
            self._resumed = None

    def verdict(self, group: Group, written: Written, last: bool) -> Group | None:
        """Once the last epoch that was recorded before is there again, or with the end: how the repetition compares."""
        if self._resumed is None:
            return None
        reached = max((c["epoch"] for kind, c in group.items if kind == "epoch"), default=self._resumed["epoch"])
        if reached < self._claimed.recorded_epoch and not last:
            return None
        count = len(self._compared | set(written.compared))
        difference = self._difference or difference_of(written)
        verdict = {"bit_exact": difference is None, "epochs_compared": count, "first_difference": difference}
        if difference is not None:
            message = f"The repeated training differs from what was recorded, first in {difference}."
        elif count:
            message = f"{count} repeated epochs came out equal to the recorded ones, bit for bit."
        else:
            message = "No recorded epoch lay beyond the checkpoint: there was none to compare."
        data = {**verdict, "after_epoch": self._resumed["epoch"]}
        level = "info" if difference is None else "warning"
        columns = {"type": "resume_verified", "message": message, "level": level, "data": data}
        return Group([("event", columns | {"reported_at": time.monotonic()})], attempt={"verdict": verdict})

    def _epoch(self, report: dict[str, Any]) -> None:
        columns = {key: report.get(key) for key in EPOCH_COLUMNS} | rates(report)
        columns["metrics"] = jsonable(report["metrics"])
        columns["samples_per_second"] = report["samples_per_second"] or 0.0
        mark = {"environment_differs": True} if self._foreign else {}
        extra = mark | {key: jsonable(report[key]) for key in EXTRA if report.get(key) is not None}
        columns["extra"] = extra or None
        self._item("epoch", columns)
        self._advance(report["epoch"], report["step"], report["phase"])
        self._watch_best(report)

    def _item(self, kind: Kind, columns: dict[str, Any]) -> None:
        self._group.items.append((kind, columns | {"reported_at": time.monotonic()}))

    def _advance(self, epoch: int, step: int, phase: int) -> None:
        self._progress |= {"epoch": epoch, "step": step, "phase": phase}
        self._group.job["progress"] = self._progress

    def _watch_best(self, report: dict[str, Any]) -> None:
        """The best epoch as the engine sees it, while it runs; its own word stands at the end."""
        has_validation = report["validation_loss"] is not None
        keep = self._keep_best or {"monitor": "validation_loss" if has_validation else "train_loss", "mode": "min"}
        monitor, mode = keep["monitor"], keep["mode"]
        value = {**report, **report["metrics"]}.get(monitor)
        if not isinstance(value, int | float) or math.isnan(value):
            return
        best = None if self._best is None else self._best["value"]
        known = isinstance(best, int | float)
        if not known or (value < best if mode == "min" else value > best):  # type: ignore[operator]
            self._best = {"monitor": monitor, "mode": mode, "value": number(value), "epoch": report["epoch"]}
            self._group.job["best"] = self._best

    def _checkpoint(self, report: dict[str, Any]) -> None:
        self.newest_file = f"jobs/{self._claimed.lease.job_id}/{report['path']}"
        columns = {key: report[key] for key in ("epoch", "step", "bytes", "sha256", "reason", "is_best")}
        if report["step"] > int(self._progress.get("step", 0)):
            self._advance(report["epoch"], report["step"], int(self._progress.get("phase", 0)))
        columns["id"] = new_id("ckpt")
        columns["path"] = self.newest_file
        columns["values"] = jsonable(report["values"])
        self._item("checkpoint", columns)

    def _started(self, report: dict[str, Any]) -> None:
        resumed = report["resumed"]
        begun_before = self._claimed.lease.attempt > 1
        at = {"epoch": 0, "step": 0} if resumed is None else {key: resumed[key] for key in ("epoch", "step")}
        repeated = max(0, int(self._claimed.progress.get("step", 0)) - at["step"])
        self._group.attempt["environment"] = report["environment"]
        self._group.job["activity"] = "training"
        self._progress["steps"] = report["steps_total"]
        self._advance(at["epoch"], at["step"], int(self._progress.get("phase", 0)))
        if not begun_before:
            self.event("started", f"The training has started on {report['environment']['device']}.")
            return
        self._group.attempt |= {"steps_repeated": repeated, "resumed_from": self.resume.id if self.resume else None}
        where = f"after epoch {at['epoch']}, at step {at['step']}" if resumed else "from the start"
        data = {"checkpoint": self.resume.id if self.resume else None, **at, "steps_repeated": repeated}
        self.event("resumed", f"The training goes on {where}; {repeated} steps are repeated.", data=data)
        differs = [] if resumed is None else resumed.get("environment_differs", [])
        self._foreign = bool(differs) or (self.resume is not None and self.resume.foreign)
        if differs:
            message = f"This attempt's environment differs from the checkpoint's: {', '.join(differs)}."
            self.event("environment_differs", message, "warning", {"differs": differs})
        self._starting = at


def difference_of(written: Written) -> dict[str, Any] | None:
    """The first row of a group that came out otherwise, as JSON."""
    if not written.differences:
        return None
    first = written.differences[0]
    found = {"column": first.column, "recorded": first.recorded, "repeated": first.repeated}
    return {first.kind: first.number, **jsonable(found)}


EPOCH_COLUMNS = (
    "epoch", "phase", "train_loss", "validation_loss", "gradient_norm", "samples", "duration_seconds",
)  # fmt: skip
STEP_COLUMNS = ("step", "epoch", "train_loss", "gradient_norm", "validation_loss")
