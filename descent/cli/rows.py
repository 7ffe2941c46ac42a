"""Commands on what a job has recorded: epochs, steps, events, attempts, logs."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.markup import escape

from descent.cli.output import Column, JobArgument, Json, State, connected, note, print_json, print_table, say
from descent.cli.select import find_job
from descent.cli.text import LEVELS, clock, figures, instant, metric, number, rates, span
from descent.numbers import encode
from descent.types import Attempt, EpochRow, Event

app = typer.Typer()
PANEL = "Records"


@app.command(rich_help_panel=PANEL)
def epochs(
    job: JobArgument,
    as_csv: Annotated[bool, typer.Option("--csv", help="All rows and columns as CSV.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job ends, a JSON line a row.")
    ] = False,
    tail: Annotated[int | None, typer.Option("--tail", "-n", min=1, help="Only the last rows.")] = None,
    as_json: Json = False,
    state: State = None,
) -> None:
    """Print each epoch's losses, metrics and learning rates.

    $ descent epochs last

    $ descent epochs last --csv > run.csv

    $ descent epochs last --follow | jq .train_loss
    """
    with connected(state) as client:
        job_id = find_job(client, job)
        if as_csv:
            sys.stdout.write(client.epochs_csv(job_id))
            return
        if follow:
            for row in client.epochs_follow(job_id):
                print(encode(row), flush=True)
            return
        rows = client.epochs(job_id)[-(tail or 0) :]
    if as_json:
        print_json(rows)
    elif not rows:
        note("no epoch is finished yet")
    else:
        print_epochs(rows)


def print_epochs(rows: Sequence[EpochRow]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row["metrics"]))
    metrics = [
        Column(
            name.replace("_", " "),
            [metric(name, row["metrics"].get(name)) for row in rows],
            rank=3 if name.startswith("validation") else 4,
            right=True,
        )
        for name in names
    ]
    parameters = list(dict.fromkeys(name for row in rows for name in row.get("parameters", {})))
    print_table(
        [
            Column("epoch", [str(row["epoch"]) for row in rows], right=True),
            Column("train loss", [number(row["train_loss"], 6) for row in rows], right=True),
            Column("validation", [number(row["validation_loss"], 6) for row in rows], rank=1, right=True),
            *metrics,
            *(
                Column(name, [number(row.get("parameters", {}).get(name), 6) for row in rows], rank=2, right=True)
                for name in parameters
            ),
            Column("learning rates", [rates(row["learning_rates"]) for row in rows], rank=2, right=True),
            Column("gradient", [number(row["gradient_norm"]) for row in rows], rank=5, right=True),
            Column("samples/s", [f"{row['samples_per_second']:,.0f}" for row in rows], rank=6, right=True),
            Column("seconds", [number(row["duration_seconds"], 3) for row in rows], rank=7, right=True),
        ],
        complete="--csv has all",
    )


@app.command(rich_help_panel=PANEL)
def steps(
    job: JobArgument,
    tail: Annotated[int | None, typer.Option("--tail", "-n", min=1, help="Only the last rows.")] = None,
    as_json: Json = False,
    state: State = None,
) -> None:
    """Print the step series.

    There is a row each `training.log_every_steps` of the spec.
    """
    with connected(state) as client:
        rows = client.steps(find_job(client, job))[-(tail or 0) :]
    if as_json:
        print_json(rows)
    elif not rows:
        note("no rows: training.log_every_steps of the spec asks for them")
    else:
        print_table(
            [
                Column("step", [str(row["step"]) for row in rows], right=True),
                Column("epoch", [str(row["epoch"]) for row in rows], rank=2, right=True),
                Column("train loss", [number(row["train_loss"], 6) for row in rows], right=True),
                Column("validation", [number(row.get("validation_loss"), 6) for row in rows], rank=3, right=True),
                Column("learning rates", [rates(row["learning_rates"]) for row in rows], rank=1, right=True),
                Column("gradient", [number(row["gradient_norm"]) for row in rows], rank=4, right=True),
            ]
        )


@app.command(rich_help_panel=PANEL)
def events(job: JobArgument, as_json: Json = False, state: State = None) -> None:
    """Print what happened to a job: interrupted, resumed, …"""
    with connected(state) as client:
        found = client.events(find_job(client, job))
    if as_json:
        print_json(found)
    else:
        print_events(found)


def print_events(found: Sequence[Event]) -> None:
    for event in found:
        style = LEVELS.get(event["level"], "")
        name = f"{event['type']:20}"
        attempt = f"attempt {event['attempt']}" if event["attempt"] else ""
        styled = f"[{style}]{name}[/]" if style else name
        say(f"[dim]{clock(event['created_at'])}  {attempt:10}[/] {styled} {escape(event['message'])}")


@app.command(rich_help_panel=PANEL)
def feed(
    kinds: Annotated[
        list[str] | None, typer.Option("--kind", help="job, epoch, event or checkpoint; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON document a line.")] = False,
    state: State = None,
) -> None:
    """Follow all jobs of the project, until Ctrl-C.

    $ descent feed --kind event
    """
    with connected(state) as client:
        for entry in client.feed(kinds=kinds or ("epoch", "event")):
            if as_json:
                print(encode(entry), flush=True)
            elif "epoch" in entry:
                say(f"[dim]{entry['job_id']}[/]  epoch {entry['epoch']['epoch']}  {figures(entry['epoch'])}")
            elif "event" in entry:
                say(f"[dim]{entry['job_id']}[/]  {escape(entry['event']['type'])}  {escape(entry['event']['message'])}")
            else:
                say(f"[dim]{entry['job_id']}[/]  {escape(entry['kind'])}")


@app.command(rich_help_panel=PANEL)
def attempts(job: JobArgument, as_json: Json = False, state: State = None) -> None:
    """Print each attempt: where, how long, why it ended."""
    with connected(state) as client:
        found = client.attempts(find_job(client, job))
    if as_json:
        print_json(found)
    elif not found:
        note("no worker has taken the job up yet")
    else:
        print_attempts(found)


def print_attempts(found: Sequence[Attempt]) -> None:
    print_table(
        [
            Column("attempt", [str(attempt["attempt"]) for attempt in found], right=True),
            Column("started", [clock(attempt["started_at"]) for attempt in found]),
            Column("took", [span(duration(attempt)) for attempt in found], rank=1, right=True),
            Column("end", [escape(attempt["cause"] or "runs") for attempt in found]),
            Column("device", [escape(attempt["device"] or "") for attempt in found], rank=4),
            Column("worker", [escape(attempt["worker"] or "") for attempt in found], rank=5),
            Column("repeated", [repeated(attempt) for attempt in found], rank=2, right=True),
            Column("verdict", [escape(short(attempt["verdict"])) for attempt in found], rank=3),
        ]
    )


def duration(attempt: Attempt) -> float | None:
    started, ended = instant(attempt["started_at"]), instant(attempt["ended_at"])
    return (ended - started).total_seconds() if started and ended else None


def repeated(attempt: Attempt) -> str:
    return f"{attempt['steps_repeated']} steps" if attempt["steps_repeated"] is not None else ""


def short(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else encode(value)


@app.command(rich_help_panel=PANEL)
def logs(
    job: JobArgument,
    attempt: Annotated[int | None, typer.Option(min=1, help="Its number (default: the newest).")] = None,
    tail: Annotated[int, typer.Option("--tail", "-n", min=1, max=100_000, help="How many lines.")] = 200,
    as_json: Json = False,
    state: State = None,
) -> None:
    """Print what the trainer wrote to stderr, tracebacks too.

    $ descent logs last --attempt 1
    """
    with connected(state) as client:
        found = client.logs(find_job(client, job), attempt=attempt, tail=tail)
    if as_json:
        print_json(found)
        return
    for line in found["lines"]:
        print(line)
    if found["truncated"]:
        note("there is more above: --tail N")
    if not found["lines"]:
        note("the trainer wrote nothing")
