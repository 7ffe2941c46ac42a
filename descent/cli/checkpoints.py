"""Commands on a job's checkpoints."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from descent.cli.output import Column, JobArgument, Json, State, connected, note, print_json, print_table, say
from descent.cli.select import find_job
from descent.cli.text import ago, number, size

app = typer.Typer()
PANEL = "Records"


@app.command(rich_help_panel=PANEL)
def checkpoints(job: JobArgument, as_json: Json = False, state: State = None) -> None:
    """List a job's checkpoints, the newest first."""
    with connected(state) as client:
        found = list(client.checkpoints(find_job(client, job)))
    if as_json:
        print_json(found)
        return
    if not found:
        note("no checkpoint is written yet")
        return
    marks = {"is_latest": "latest", "is_best": "best", "pinned": "pinned"}
    values = [" ".join(f"{name} {number(value)}" for name, value in item["values"].items()) for item in found]
    print_table(
        [
            Column("checkpoint", [item["id"] for item in found]),
            Column("epoch", [str(item["epoch"]) for item in found], right=True),
            Column("step", [str(item["step"]) for item in found], right=True, rank=3),
            Column("", [" ".join(word for key, word in marks.items() if item.get(key)) for item in found]),
            Column("size", [size(item["bytes"]) for item in found], right=True, rank=1),
            Column("values", [escape(text) for text in values], rank=4),
            Column("written", [ago(item["created_at"]) for item in found], rank=2, style="dim"),
        ]
    )


@app.command(rich_help_panel=PANEL)
def weights(
    job: JobArgument,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; `-` is standard output.")
    ] = None,
    checkpoint: Annotated[str, typer.Option("--checkpoint", "-c", help="`latest`, `best` or an id.")] = "latest",
    as_json: Json = False,
    state: State = None,
) -> None:
    """Download a model as safetensors.

    The names in it are those of the model's `state_dict`.

    $ descent weights last -o model.safetensors --checkpoint best
    """
    with connected(state) as client:
        job_id = find_job(client, job)
        if output == "-":
            client.write_weights(job_id, sys.stdout.buffer, checkpoint)
            return
        path = Path(output or f"{job_id}.safetensors")
        written = client.save_weights(job_id, path, checkpoint)
    if as_json:
        print_json({"path": str(path), "bytes": written})
    else:
        say(f"{escape(str(path))}  [dim]{size(written)}[/]")
