"""Numbers, times and statuses as words for people."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.markup import escape

from descent.types import EpochRow, Job

STYLES = {
    "queued": "yellow",
    "running": "cyan",
    "pausing": "yellow",
    "paused": "yellow",
    "cancelling": "magenta",
    "cancelled": "magenta",
    "succeeded": "green",
    "failed": "red",
}
ROOM_FOR_IDS = 110
SHORT_ID = 18
"""Characters of an id: its time in ms, and ten bits of what is random in it."""
LEVELS = {"info": "", "warning": "yellow", "error": "red"}


def number(value: Any, digits: int = 4) -> str:
    """`0.08312`, `1.2e-07`, `nan`; nothing for what is not there."""
    if value is None:
        return ""
    return f"{value:.{digits}g}" if isinstance(value, int | float) else str(value)


def rates(values: Sequence[float]) -> str:
    """One learning rate for each group."""
    return " ".join(number(value, 6) for value in values)


def metric(name: str, value: Any) -> str:
    """Accuracies and the like as they are, in four digits; what is no single number is left to the JSON."""
    return number(value) if isinstance(value, int | float) else ""


def status(job: Job) -> str:
    """The coloured status, with what it is doing or waiting for."""
    name = str(job["status"])
    detail = job["activity"] if job["status"] == "running" and job["activity"] not in (None, "training") else ""
    if job["status"] == "queued" and job["waiting"] and job["waiting"]["reason"] != "capacity":
        detail = job["waiting"]["reason"]
    if job["status"] == "failed" and job["error"]:
        detail = job["error"]["code"]
    return colored(name) + (f" [dim]{escape(str(detail))}[/]" if detail else "")


def colored(name: str, width: int = 0) -> str:
    """A status in its colour; one that is not known yet in none."""
    return f"[{STYLES[name]}]{name:{width}}[/]" if name in STYLES else escape(f"{name:{width}}")


def instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def clock(text: str | None) -> str:
    """The local time of day, with the date when it is not of today."""
    moment = instant(text)
    if moment is None:
        return ""
    local = moment.astimezone()
    return f"{local:%H:%M:%S}" if local.date() == datetime.now().astimezone().date() else f"{local:%Y-%m-%d %H:%M:%S}"


def short_ids(ids: Sequence[str], width: int) -> list[str]:
    """Whole ids where there is room; else beginnings that name their job, and among the shown no other."""
    if width >= ROOM_FOR_IDS:
        return list(ids)
    length = SHORT_ID
    while len({one[:length] for one in ids}) < len(set(ids)):
        length += 1
    return [one[:length] for one in ids]


def ago(text: str | None) -> str:
    """`41 s ago`, `5 min ago`, `3 h ago`, `2 d ago`"""
    moment = instant(text)
    if moment is None:
        return ""
    seconds = max(0.0, (datetime.now(UTC) - moment).total_seconds())
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def span(seconds: float | None) -> str:
    """`0.4 s`, `41 s`, `3:07`, `2:03:44`, `3 d 04:10`."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    whole = timedelta(seconds=round(seconds))
    hours, rest = divmod(whole.seconds, 3600)
    minutes, last = divmod(rest, 60)
    if whole.days:
        return f"{whole.days} d {hours:02}:{minutes:02}"
    return f"{hours}:{minutes:02}:{last:02}" if hours else f"{minutes}:{last:02}"


def lasted(job: Job) -> float | None:
    """Seconds from the first start to the end."""
    started, finished = instant(job["started_at"]), instant(job["finished_at"])
    return (finished - started).total_seconds() if started and finished else None


def size(count: float) -> str:
    """`812 B`, `1.3 kB`, `45 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}" if unit != "B" else f"{count:.0f} B"
        count /= 1000
    return f"{count:.3g} TB"


def scalars(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if isinstance(value, int | float)}


def figures(row: EpochRow) -> str:
    """`loss 0.3121  val 0.3502  acc 0.912  lr 0.001`"""
    found = [f"loss {number(row['train_loss'])}"]
    if row["validation_loss"] is not None:
        found.append(f"val {number(row['validation_loss'])}")
    accuracy = row["metrics"].get("validation_accuracy", row["metrics"].get("train_accuracy"))
    if isinstance(accuracy, int | float):
        found.append(f"acc {accuracy:.3f}")
    found.append(f"lr {rates(row['learning_rates'][:3])}{' …' if len(row['learning_rates']) > 3 else ''}")
    return "  ".join(found)
