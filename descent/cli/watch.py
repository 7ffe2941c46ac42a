"""`watch`, and `submit --watch`: a bar in a terminal, plain lines elsewhere, JSON lines for machines."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from descent.cli.follow import Change, follow
from descent.cli.output import console, errors, fail, note, say
from descent.cli.shown import reproduced
from descent.cli.text import LEVELS, clock, colored, figures, lasted, number, rates, scalars, span
from descent.errors import DescentError, describe_end
from descent.numbers import encode
from descent.types import EpochRow, Event, Job

if TYPE_CHECKING:
    from descent.client import Client

ROUTINE = frozenset({"queued", "started", "checkpoint", "succeeded", "failed", "cancelled", "paused"})
"""Events that the bar or the last line tells of anyway."""
INTERRUPTED = 130
BAR_WIDTH = 12


def watch_job(client: "Client", job_id: str, *, as_json: bool, from_start: bool) -> None:
    """Shows the job until it rests. Exit 1 when it failed or was cancelled; Ctrl-C leaves it running."""
    job: Job | None = None
    try:
        with screen(client, as_json) as show:
            for change in follow(client, job_id, from_start=from_start):
                job = change.job
                show.change(change)
    except KeyboardInterrupt:
        errors.print()
        note(f"The job goes on without us. Watch again: descent watch {job_id} · stop it: descent cancel {job_id}")
        raise typer.Exit(INTERRUPTED) from None
    assert job is not None
    if not as_json:
        conclude(job)
    if job["status"] in ("failed", "cancelled"):
        fail(f"{job_id} {describe_end(job)}")


class Lines:
    """A line for each epoch and event."""

    def change(self, change: Change) -> None:
        for event in change.events:
            if event["type"] not in ROUTINE:
                print_event(event)
        epochs = change.job["progress"]["epochs"]
        for row in change.rows:
            say(f"epoch {row['epoch']}/{epochs}  {figures(row)}  {speed(row)}")


class JsonLines:
    """One JSON document a line: {"event": "job" | "epoch" | "event", "data": ...}."""

    def change(self, change: Change) -> None:
        for event in change.events:
            self.line("event", event)
        for row in change.rows:
            self.line("epoch", row)
        self.line("job", {key: value for key, value in change.job.items() if key not in ("spec", "resolved_spec")})

    def line(self, kind: str, data: Any) -> None:
        print(encode({"event": kind, "data": data}), flush=True)


class Bar:
    """The job's line with a bar; what happens to it goes above."""

    def __init__(self) -> None:
        self.progress = Progress(
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=BAR_WIDTH)),
            TextColumn("{task.fields[figures]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
            console=console,
            expand=True,
            transient=True,  # the last lines tell of it all
        )
        self.task = self.progress.add_task(f"[dim]{'…':9}[/]", total=1.0, figures="")
        self.row: EpochRow | None = None

    def change(self, change: Change) -> None:
        for event in change.events:
            if event["type"] not in ROUTINE:
                print_event(event)
        job = change.job
        self.row = change.rows[-1] if change.rows else self.row
        fraction = job["progress"]["fraction"]
        self.progress.update(
            self.task, completed=fraction, description=colored(job["status"], 9), figures=self.line(job)
        )

    def away(self, error: DescentError, pause: float) -> None:
        """The service does not answer; the next change tells that it does again."""
        self.progress.update(self.task, description=f"[yellow]{'away':9}[/]", figures=escape(str(error)))

    def line(self, job: Job) -> str:
        """As many figures as the terminal has room for beside the status and the bar."""
        progress, row = job["progress"], self.row
        if job["status"] == "queued" and job["waiting"]:
            return escape(job["waiting"]["detail"])
        width = len(str(progress["epochs"]))
        found = [(0, f"epoch {progress['epoch']:>{width}}/{progress['epochs']}")]
        if row is not None:
            accuracy = row["metrics"].get("validation_accuracy", row["metrics"].get("train_accuracy"))
            found.append((1, f"loss {number(row['train_loss']):<7}"))
            found.append((2, f"val {number(row['validation_loss']):<7}" if row["validation_loss"] is not None else ""))
            found.append((6, f"acc {accuracy:.3f}" if isinstance(accuracy, int | float) else ""))
            found.append((3, f"lr {rates(row['learning_rates'][:2])}{' …' if len(row['learning_rates']) > 2 else ''}"))
            found.append((5, f"{row['samples_per_second']:,.0f}/s"))
        found.append((4, f"eta {span(progress['eta_seconds'])}" if progress["eta_seconds"] is not None else ""))
        room = console.width - len("succeeded ") - BAR_WIDTH - 1
        shown = [one for one in found if one[1]]
        while len(shown) > 1 and sum(len(text) + 2 for _, text in shown) - 2 > room:
            shown.remove(max(shown))
        return "  ".join(text for _, text in shown)


@contextmanager
def screen(client: "Client", as_json: bool) -> Iterator["Lines | JsonLines | Bar"]:
    if as_json:
        yield JsonLines()
    elif not console.is_terminal:
        yield Lines()
    else:
        bar, told = Bar(), client.transport.on_retry
        client.transport.on_retry = bar.away
        with bar.progress:
            yield bar
        client.transport.on_retry = told


def print_event(event: Event) -> None:
    style = LEVELS.get(event["level"], "")
    name = f"[{style}]{event['type']}[/]" if style else event["type"]
    say(f"[dim]{clock(event['created_at'])}[/] {name}  {escape(event['message'])}")


def speed(row: EpochRow) -> str:
    return f"{row['samples_per_second']:,.0f} samples/s"


def conclude(job: Job) -> None:
    """How it ended, in a line or three."""
    latest, took = job["latest"], lasted(job)
    if job["status"] == "paused":
        say(f"[yellow]paused[/] at epoch {job['progress']['epoch']}. Go on: descent resume {job['id']}")
        return
    if job["status"] != "succeeded":
        return
    epochs = f"{job['progress']['epoch']} epochs" if job["progress"]["epoch"] != 1 else "1 epoch"
    after = f"{epochs} in {span(took)}" if took is not None else epochs
    early = f", stopped by {job['stopped']['reason']}" if job["stopped"] else ""
    say(f"[green]✓ succeeded[/], {after}{early}")
    if latest is not None:
        found = {"train_loss": latest["train_loss"], "validation_loss": latest["validation_loss"]}
        shown = {**found, **scalars(latest["metrics"])}
        say("  last: " + " · ".join(f"{name} {number(value)}" for name, value in shown.items() if value is not None))
    if job["best"]:
        best = job["best"]
        say(f"  best: {best['monitor']} {number(best['value'])} at epoch {best['epoch']}")
    if job["test"]:
        shown = {"loss": job["test"]["loss"], **scalars(job["test"]["metrics"])}
        say("  test: " + " · ".join(f"{name} {number(value)}" for name, value in shown.items() if value is not None))
    if again := reproduced(job):
        say(f"  reproduces {again}")
    if console.is_terminal:
        say(f"[dim]  the model: descent weights {job['id']} -o model.safetensors[/]")
