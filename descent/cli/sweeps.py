"""Commands on sweeps: many points of one spec."""

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from descent.cli.output import Column, Json, State, connected, console, fail, note, print_json, print_table, say
from descent.cli.text import ago, colored, number, short_ids
from descent.errors import DescentError
from descent.numbers import encode
from descent.types import Sweep, SweepSummary

if TYPE_CHECKING:
    from descent.client import Client

app = typer.Typer(no_args_is_help=True, help="Sweeps: one job for each point of a grid or a search.")
SweepArgument = Annotated[
    str, typer.Argument(metavar="SWEEP", help="An id, the beginning of one, or `last`.", show_default=False)
]
WATCH_SECONDS = 0.5


@app.command()
def submit(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A sweep in JSON; `-` reads standard input.")],
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it until all points have ended.")] = False,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="/POINTER=VALUE", help="Change a value; may be repeated.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the points; nothing is stored.")] = False,
    as_json: Json = False,
    state: State = None,
) -> None:
    """Queue a job for each point.

    $ descent sweeps submit examples/sweep-iris-learning-rates.json --watch
    """
    from descent.cli.specs import change, read_spec

    with connected(state) as client:
        document = read_spec(file)
        for assignment in changes or ():
            change(document, assignment)
        if "model" in document and "over" not in document:
            raise DescentError(f"{file} is a job's spec: descent submit {file}")
        if dry_run:
            found = client.dry_run_sweep(document)
            print_json(found) if as_json else say(f"{found['count']} points")
            return
        sweep = client.submit_sweep(document)
        if not as_json:
            say(f"[bold]{sweep['id']}[/]  {escape(sweep['name'] or '')}  {sweep['counts']['points']} points")
        if watch:
            follow(client, sweep["id"], as_json)
        elif as_json:
            print_json(sweep)
        elif sys.stdout.isatty():
            note(f"Follow it: descent sweeps watch {sweep['id']}")


@app.command("list")
def list_sweeps(as_json: Json = False, state: State = None) -> None:
    """List sweeps, the newest first."""
    with connected(state) as client:
        found = list(client.sweeps())
    if as_json:
        print_json(found)
    elif not found:
        note("no sweeps yet: descent sweeps submit FILE")
    else:
        print_table(
            [
                Column("sweep", [sweep["id"] for sweep in found]),
                Column("name", [escape(sweep["name"] or "") for sweep in found], rank=2),
                Column("status", [colored(sweep["status"]) for sweep in found]),
                Column("ended", [ended(sweep) for sweep in found], right=True),
                Column("best", [best(sweep) for sweep in found], rank=1),
                Column("created", [ago(sweep["created_at"]) for sweep in found], rank=3, style="dim"),
            ]
        )


@app.command()
def show(sweep: SweepArgument, as_json: Json = False, state: State = None) -> None:
    """Show a sweep's points and the best of them."""
    with connected(state) as client:
        found = client.sweep(find_sweep(client, sweep))
    if as_json:
        print_json(found)
    else:
        print_sweep(found)


@app.command()
def watch(sweep: SweepArgument, as_json: Json = False, state: State = None) -> None:
    """Follow a sweep until all its points have ended. Ctrl-C leaves it running."""
    with connected(state) as client:
        follow(client, find_sweep(client, sweep), as_json)


@app.command()
def table(
    sweep: SweepArgument,
    by: Annotated[list[str] | None, typer.Option(metavar="/POINTER", help="A row for each of its values.")] = None,
    over: Annotated[list[str] | None, typer.Option(metavar="/POINTER", help="Pooled, as /seed.")] = None,
    target: Annotated[float | None, typer.Option(help="Also how soon the objective reaches this.")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV.")] = False,
    as_json: Json = False,
    state: State = None,
) -> None:
    """Compare the values of a sweep: mean and 95% interval of the objective.

    $ descent sweeps table last --by /optimizer --over /seed
    """
    with connected(state) as client:
        sweep_id = find_sweep(client, sweep)
        if as_csv:
            sys.stdout.write(client.sweep_table_csv(sweep_id, by=by or (), over=over or (), target=target))
            return
        found = client.sweep_table(sweep_id, by=by or (), over=over or (), target=target)
    if as_json:
        print_json(found)
        return
    rows = found["rows"]
    print_table(
        [
            Column(" ".join(found["by"]) or "value", [escape(encode(row["value"])) for row in rows]),
            Column("n", [str(row["n"]) for row in rows], right=True),
            Column("mean", [number(row["mean"]) for row in rows], right=True),
            Column("deviation", [number(row["deviation"]) for row in rows], rank=2, right=True),
            Column("95% interval", [interval(row["interval"]) for row in rows], rank=1, right=True),
        ]
    )


@app.command()
def cancel(sweep: SweepArgument, as_json: Json = False, state: State = None) -> None:
    """Cancel every point that has not ended."""
    with connected(state) as client:
        found = client.cancel_sweep(find_sweep(client, sweep))
    if as_json:
        print_json(found)
    else:
        say(f"{found['id']}  {colored(found['status'])}")


def find_sweep(client: "Client", text: str) -> str:
    """The id that begins so, or the newest. Raises DescentError."""
    found = [sweep["id"] for sweep in client.sweeps() if text == "last" or sweep["id"].startswith(text)]
    if not found:
        raise DescentError("there are no sweeps yet" if text == "last" else f"no sweep's id begins with {text!r}")
    if len(found) > 1 and text != "last":
        raise DescentError(f"{text!r} is the beginning of several ids, {found[0]} and {found[1]} among them")
    return found[0]


def follow(client: "Client", sweep_id: str, as_json: bool) -> None:
    """Until all points have ended. Exit status 1 when the sweep failed or was cancelled."""
    from rich.progress import BarColumn, Progress, TextColumn

    try:
        with Progress(
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[best]}"),
            console=console,
            transient=True,
            disable=as_json or not console.is_terminal,
        ) as progress:
            task = progress.add_task("", best="")
            while (sweep := client.sweep(sweep_id))["status"] == "running":
                done, total = count_ended(sweep), sweep["counts"]["points"]
                progress.update(task, completed=done, total=total, best=f"best {best(sweep)}" if sweep["best"] else "")
                time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        note(f"The sweep goes on without us. Watch again: descent sweeps watch {sweep_id}")
        raise typer.Exit(130) from None
    if as_json:
        print_json(sweep)
    else:
        print_sweep(sweep)
    if sweep["status"] in ("failed", "cancelled"):
        fail(f"{sweep_id} {sweep['status']}: {ended(sweep)} points ended, {sweep['counts']['failed']} failed")


def print_sweep(sweep: Sweep) -> None:
    points = sweep["points"]
    chosen = sweep["best"]["job_id"] if sweep["best"] else None
    print_table(
        [
            Column("job", short_ids([point["job_id"] for point in points], console.width), rank=2),
            Column("point", [escape(spelled(point["point"])) for point in points]),
            Column("status", [colored(point["status"]) for point in points], rank=1),
            Column(
                sweep["objective"].get("monitor") or "best",
                [number(point["best"]["value"]) if point["best"] else "" for point in points],
                right=True,
            ),
            Column("", ["[green]best[/]" if point["job_id"] == chosen else "" for point in points], rank=3),
        ]
    )


def spelled(point: Mapping[str, Any]) -> str:
    return "  ".join(f"{pointer} {shortened(encode(value))}" for pointer, value in point.items())


def shortened(text: str, length: int = 40) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def count_ended(sweep: SweepSummary) -> int:
    return sum(sweep["counts"][status] for status in ("succeeded", "failed", "cancelled"))


def ended(sweep: SweepSummary) -> str:
    return f"{count_ended(sweep)}/{sweep['counts']['points']}"


def best(sweep: SweepSummary) -> str:
    found = sweep["best"]
    return escape(f"{number(found['value'])} at {spelled(found['point'])}") if found else ""


def interval(ends: Any) -> str:
    return f"{number(ends[0])} to {number(ends[1])}" if ends else ""
