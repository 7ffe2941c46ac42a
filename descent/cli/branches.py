"""Commands that make a run longer, or another one of it: change, fork, reproduce."""

import copy
from typing import TYPE_CHECKING, Annotated, Any

import typer

from descent.cli.jobs import PANEL, print_moved
from descent.cli.output import JobArgument, Json, State, connected
from descent.cli.select import find_job
from descent.errors import DescentError
from descent.types import Job

if TYPE_CHECKING:
    from descent.client import Client

app = typer.Typer()
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Follow it until it ends.")]


@app.command(rich_help_panel=PANEL)
def change(
    job: JobArgument,
    epochs: Annotated[int | None, typer.Option(min=1, help="How many there shall be in all.")] = None,
    priority: Annotated[int | None, typer.Option(min=0, max=9, help="9 goes first.")] = None,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    metadata: Annotated[
        list[str] | None,
        typer.Option("--metadata", metavar="KEY=VALUE", help="Labels instead of those it has; may be repeated."),
    ] = None,
    as_json: Json = False,
    state: State = None,
) -> None:
    """Give a job more epochs, another priority, name or labels.

    A job that has succeeded goes on at its end when it is given more epochs.

    $ descent change last --epochs 100
    """
    from descent.cli.specs import pairs

    labels = pairs(metadata, "--metadata") if metadata else None
    with connected(state) as client:
        if epochs is None and priority is None and name is None and labels is None:
            raise DescentError("nothing to change: --epochs, --priority, --name or --metadata")
        found = find_job(client, job)
        print_moved(client.update(found, epochs=epochs, priority=priority, name=name, metadata=labels), as_json)


@app.command(rich_help_panel=PANEL)
def fork(
    job: JobArgument,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="/POINTER=VALUE", help="Change a value of the spec; may be repeated."),
    ] = None,
    checkpoint: Annotated[str, typer.Option(help="Where it starts: `latest`, or a checkpoint's id.")] = "latest",
    watch: Watch = False,
    as_json: Json = False,
    state: State = None,
) -> None:
    """Make a new job that goes on from a checkpoint of this one, with changes.

    The optimizer's state is kept where it still fits; `descent events` tells what was restored, reset and dropped.

    $ descent fork last --set /optimizer/lr=0.001 --watch
    """
    with connected(state) as client:
        parent = client.job(find_job(client, job))
        show_made(
            client, client.fork(parent, patch_of(parent["spec"], changes or []), checkpoint=checkpoint), watch, as_json
        )


@app.command(rich_help_panel=PANEL)
def reproduce(job: JobArgument, watch: Watch = False, as_json: Json = False, state: State = None) -> None:
    """Train a job again and compare: every row, and the final weights.

    $ descent reproduce last --watch
    """
    with connected(state) as client:
        show_made(client, client.reproduce(find_job(client, job)), watch, as_json)


def patch_of(spec: dict[str, Any], assignments: list[str]) -> dict[str, Any]:
    """The sections of the spec that the assignments change, as a merge patch."""
    from descent.cli.specs import change

    changed = copy.deepcopy(spec)
    for assignment in assignments:
        change(changed, assignment)
    return {key: value for key, value in changed.items() if key not in spec or spec[key] != value}


def show_made(client: "Client", job: Job, watch: bool, as_json: bool) -> None:
    from descent.cli.watch import watch_job

    if not (watch and as_json):
        print_moved(job, as_json)
    if watch:
        watch_job(client, job["id"], as_json=as_json, from_start=True)
