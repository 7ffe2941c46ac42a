"""Commands on a job's checkpoints."""

import typer
from rich.markup import escape

from descent.cli.output import Column, JobArgument, Json, State, connected, note, print_json, print_table
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
