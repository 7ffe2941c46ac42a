"""The workers: who is alive, and the operators' commands to one of them."""

from typing import Annotated, Any

import typer

from descent.cli.output import Json, State, connected, note, print_json, print_table
from descent.cli.service import column

app = typer.Typer(
    help="Show who is alive, doing what; cordon, uncordon, drain (operators).", invoke_without_command=True
)
WorkerArgument = Annotated[str, typer.Argument(metavar="WORKER", help="Its id, as `descent workers` shows it.")]


@app.callback()
def workers(context: typer.Context, as_json: Json = False, state: State = None) -> None:
    """List who is alive, on which device, doing what."""
    if context.invoked_subcommand is None:
        with connected(state) as client:
            show(client.workers(), as_json)


@app.command()
def cordon(worker: WorkerArgument, as_json: Json = False, state: State = None) -> None:
    """Let it take no new jobs; those that it trains go on."""
    with connected(state) as client:
        show([client.command_worker(worker, "cordon")], as_json)


@app.command()
def uncordon(worker: WorkerArgument, as_json: Json = False, state: State = None) -> None:
    """Let it take jobs again."""
    with connected(state) as client:
        show([client.command_worker(worker, "uncordon")], as_json)


@app.command()
def drain(worker: WorkerArgument, as_json: Json = False, state: State = None) -> None:
    """Let it save its jobs, give them back to the queue, and take no others."""
    with connected(state) as client:
        show([client.command_worker(worker, "drain")], as_json)


def show(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(found)
    elif not found:
        note("no worker is alive")
    else:
        print_table([column(title, found) for title in ("id", "state", "queue", "device", "slots", "jobs", "host")])
