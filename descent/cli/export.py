"""Commands that take a job out of the service."""

import zipfile
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from descent.cli.output import JobArgument, Json, State, connected, print_json, say
from descent.cli.select import find_job
from descent.cli.text import size
from descent.errors import DescentError

app = typer.Typer()
PANEL = "Records"
Output = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to.")]


@app.command(rich_help_panel=PANEL)
def export(job: JobArgument, output: Output = None, as_json: Json = False, state: State = None) -> None:
    """Download a job as one plain PyTorch script.

    It prints the job's rows, bit for bit on the same machine. What it needs beside it comes along: in a zip, or in the
    same folder where the output is named *.py.

    $ descent export last -o train.py
    """
    with connected(state) as client:
        try:
            path = client.save_export(find_job(client, job), output)
            if path.suffix == ".py" and zipfile.is_zipfile(path):
                unpack(path)
        except OSError as error:
            raise DescentError(f"{output} cannot be written: {error.strerror}") from None
    tell(path, as_json)


def unpack(path: Path) -> None:
    """The script takes the place of the zip, its data stand beside it."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name != "train.py":
                path.with_name(Path(name).name).write_bytes(archive.read(name))
        script = archive.read("train.py")
    path.write_bytes(script)


@app.command(rich_help_panel=PANEL)
def bundle(
    job: JobArgument,
    output: Output = None,
    checkpoint: Annotated[str, typer.Option("--checkpoint", "-c", help="`latest`, `best` or an id.")] = "latest",
    as_json: Json = False,
    state: State = None,
) -> None:
    """Download a model as a zip that a product can use.

    In it: weights, model.py that needs torch alone, the fitted preprocessing, the spec, the rows.

    $ descent bundle last --checkpoint best -o model.zip
    """
    with connected(state) as client:
        try:
            path = client.save_bundle(find_job(client, job), output, checkpoint)
        except OSError as error:
            raise DescentError(f"{output} cannot be written: {error.strerror}") from None
    tell(path, as_json)


def tell(path: Path, as_json: bool) -> None:
    written = path.stat().st_size
    if as_json:
        print_json({"path": str(path), "bytes": written})
    else:
        say(f"{escape(str(path))}  [dim]{size(written)}[/]")
