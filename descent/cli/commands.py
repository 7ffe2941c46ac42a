"""All commands together, and what their errors look like."""

import os
import sys
from importlib.metadata import version
from typing import Annotated, Any

import typer
from rich.markup import escape

from descent.cli import (
    branches,
    catalog,
    checkpoints,
    datasets,
    export,
    jobs,
    operate,
    previews,
    projects,
    queue,
    rows,
    service,
    sweeps,
    webhooks,
    weights,
    workers,
)
from descent.cli.output import errors

app = typer.Typer(
    name="descent",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (jobs, branches, rows, checkpoints, export, catalog, service, operate):
    app.add_typer(part.app)
app.add_typer(sweeps.app, name="sweeps", rich_help_panel=jobs.PANEL)
app.add_typer(previews.app, name="preview", rich_help_panel=jobs.PANEL)
app.add_typer(workers.app, name="workers", rich_help_panel=service.PANEL)
app.add_typer(queue.app, name="queue", rich_help_panel=service.PANEL)
app.add_typer(projects.app, name="projects", rich_help_panel=service.PANEL)
app.add_typer(datasets.app, name="datasets", rich_help_panel=service.PANEL)
app.add_typer(weights.app, name="weights", rich_help_panel=service.PANEL)
app.add_typer(webhooks.app, name="webhooks", rich_help_panel=service.PANEL)


def print_version(wanted: bool) -> None:
    if wanted:
        print(version("descent-jobs"))
        raise typer.Exit


@app.callback()
def descent(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=print_version)
    ] = False,
) -> None:
    """Hosted PyTorch training: submit jobs, follow them, take up where they stopped.

    The service is found by itself: DESCENT_URL and DESCENT_API_KEY, or the `descent up` of this user
    (in DESCENT_STATE, by default ~/.descent).
    """


UsageError = typer.BadParameter.__mro__[1]
"""Typer's own name for wrong usage: it stands in another package from version to version."""


def run() -> None:
    """The program. Wrong usage is one line and exit status 2; a reader that closes the pipe ends it quietly."""
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing is left to flush at exit
        code = 1
    except typer.Abort:
        code = 1
    except Exception as error:
        if not isinstance(error, UsageError):
            raise
        code = explain(error)
    sys.exit(code if isinstance(code, int) else 0)


def explain(error: Any) -> int:
    """What was typed wrongly, and where the help is."""
    message = " ".join(error.format_message().split())
    path = error.ctx.command_path if error.ctx else "descent"
    if message:  # without one the help has been printed
        errors.print(f"[bold red]error[/]: {escape(message)} ({path} --help)", soft_wrap=True)
    return 2
