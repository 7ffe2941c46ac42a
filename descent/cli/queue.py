"""The queue: how long it is and why, and the operators' switch."""

from typing import Any

import typer

from descent.cli.output import Json, State, connected, note, print_json, print_table
from descent.cli.service import column

app = typer.Typer(help="Show the queue; stop and start it (operators).", invoke_without_command=True)


@app.callback()
def queue(context: typer.Context, as_json: Json = False, state: State = None) -> None:
    """Show how long the queue is and why; `pause` and `resume` stop and start it."""
    if context.invoked_subcommand is None:
        with connected(state) as client:
            show(client.queues(), as_json)


@app.command()
def pause(as_json: Json = False, state: State = None) -> None:
    """Let no queued job start, in no project; those that run go on. Takes an admin key for all projects."""
    with connected(state) as client:
        show(client.pause_queue(), as_json)


@app.command()
def resume(as_json: Json = False, state: State = None) -> None:
    """Let queued jobs start again."""
    with connected(state) as client:
        show(client.resume_queue(), as_json)


def show(queues: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(queues)
    elif not queues:
        note("nothing waits, and no worker is alive")
    else:
        print_table([column(title, queues) for title in ("queue", "queued", "running", "slots", "reason")])
