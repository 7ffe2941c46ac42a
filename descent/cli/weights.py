"""Commands on weights: a job's, downloaded, and safetensors files that models may start from."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.core
from rich.markup import escape

from descent.cli.output import (
    Column,
    JobArgument,
    Json,
    State,
    connected,
    note,
    print_json,
    print_pairs,
    print_table,
    say,
)
from descent.cli.select import find_job
from descent.cli.text import ago, size

DOWNLOAD = "download"


class Commands(typer.core.TyperGroup):
    """`descent weights JOB` is `descent weights download JOB`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [DOWNLOAD, *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    no_args_is_help=True, cls=Commands, help="Weights: download a job's; upload, list, delete what models start from."
)
WeightsArgument = Annotated[str, typer.Argument(metavar="WEIGHTS", help="An id: wts_…", show_default=False)]


@app.command(DOWNLOAD)
def download(
    job: JobArgument,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; `-` is standard output.")
    ] = None,
    checkpoint: Annotated[str, typer.Option("--checkpoint", "-c", help="`latest`, `best` or an id.")] = "latest",
    as_json: Json = False,
    state: State = None,
) -> None:
    """Download a job's model as safetensors.

    The names in it are those of the model's `state_dict`. The word `download` may be left out.

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


@app.command()
def upload(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A safetensors file.")],
    name: Annotated[str | None, typer.Option(help="What the list calls it (default: the file's name).")] = None,
    as_json: Json = False,
    state: State = None,
) -> None:
    """Upload a safetensors file that models may start from.

    A spec names it by its id: {"model": {"initial_weights": {"upload": "wts_…"}}}

    $ descent weights upload backbone.safetensors
    """
    with connected(state) as client:
        made = client.upload_weights(file, name=name or file.name.removesuffix(".safetensors"))
    if as_json:
        print_json(made)
    else:
        print_weights(made)


@app.command("list")
def list_weights(as_json: Json = False, state: State = None) -> None:
    """List the uploaded weights, the newest first."""
    with connected(state) as client:
        found = list(client.weights_uploads())
    if as_json:
        print_json(found)
        return
    if not found:
        note("no weights are uploaded yet")
        return
    print_table(
        [
            Column("weights", [item["id"] for item in found]),
            Column("name", [escape(item["name"] or "") for item in found]),
            Column("parameters", [f"{item['parameters']:,}" for item in found], right=True, rank=1),
            Column("size", [size(item["bytes"]) for item in found], right=True, rank=2),
            Column("uploaded", [ago(item["created_at"]) for item in found], rank=2, style="dim"),
        ]
    )


@app.command()
def show(weights: WeightsArgument, as_json: Json = False, state: State = None) -> None:
    """Show uploaded weights and their tensors."""
    with connected(state) as client:
        found = client.weights_upload(weights)
    if as_json:
        print_json(found)
        return
    print_weights(found)
    tensors = found.get("tensors", [])
    print_table(
        [
            Column("tensor", [escape(tensor["name"]) for tensor in tensors]),
            Column("type", [tensor["dtype"] for tensor in tensors]),
            Column("shape", ["×".join(map(str, tensor["shape"])) for tensor in tensors]),  # noqa: RUF001
        ]
    )


@app.command()
def delete(weights: WeightsArgument, as_json: Json = False, state: State = None) -> None:
    """Delete uploaded weights that no unended job needs."""
    with connected(state) as client:
        client.delete_weights(weights)
    if as_json:
        print_json({"id": weights, "deleted": True})
    else:
        say(f"{escape(weights)}  [dim]deleted[/]")


def print_weights(found: Any) -> None:
    print_pairs(
        [
            ("weights", found["id"]),
            ("name", escape(found["name"] or "")),
            ("parameters", f"{found['parameters']:,}"),
            ("size", size(found["bytes"])),
        ]
    )
