"""Commands on data sets."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from descent.cli.operate import DEFAULT_STATE, StateOption, connect_servers, server_parts
from descent.cli.output import Column, Json, State, connected, fail, note, print_json, print_pairs, print_table, say
from descent.cli.text import ago, number, size
from descent.errors import DescentError

if TYPE_CHECKING:
    from descent.client import Client
    from descent.types import Dataset

app = typer.Typer(no_args_is_help=True, help="Data sets: upload, look at, delete, install.")
DatasetArgument = Annotated[
    str, typer.Argument(metavar="DATASET", help="An id, NAME@3, or NAME for its latest version.", show_default=False)
]


@app.command()
def upload(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="One file; for IDX the images, the labels.")],
    name: Annotated[str | None, typer.Option(help="Specs call it NAME@latest (default: the file's name).")] = None,
    target: Annotated[str | None, typer.Option(help="The label column; a CSV needs one.")] = None,
    format: Annotated[str | None, typer.Option(help="csv, parquet, npz, jsonl, idx, images or vectors.")] = None,
    as_json: Json = False,
    state: State = None,
) -> None:
    """Upload a data set.

    $ descent datasets upload flowers.csv --target species
    """
    if len(files) > 2:
        fail("give one file, or for IDX two: the images, then the labels", code=2)
    chosen = name or files[0].name.split(".")[0]
    with connected(state) as client:
        if len(files) == 2:
            made = client.upload_dataset(chosen, format=format, images=files[0], labels=files[1])
        else:
            made = client.upload_dataset(chosen, files[0], target=target, format=format)
    if as_json:
        print_json(made)
        return
    print_dataset(made)


@app.command("list")
def list_datasets(
    name: Annotated[str | None, typer.Option(help="The versions of one name.")] = None,
    as_json: Json = False,
    state: State = None,
) -> None:
    """List the uploaded data sets, the newest first."""
    with connected(state) as client:
        found = list(client.datasets(name=name))
    if as_json:
        print_json(found)
        return
    if not found:
        note("no data set is uploaded yet")
        return
    print_table(
        [
            Column("data set", [item["id"] for item in found]),
            Column("name", [escape(f"{item['name']}@{item['version']}") for item in found]),
            Column("format", [item["format"] for item in found], rank=3),
            Column("samples", [f"{item['samples']:,}" for item in found], right=True, rank=1),
            Column("shape", [shape(item) for item in found], rank=1),
            Column("classes", [number(item["classes"]) for item in found], right=True, rank=2),
            Column("size", [size(item["bytes"]) for item in found], right=True, rank=3),
            Column("uploaded", [ago(item["created_at"]) for item in found], rank=2, style="dim"),
        ]
    )


@app.command()
def show(dataset: DatasetArgument, as_json: Json = False, state: State = None) -> None:
    """Show a data set and its columns."""
    with connected(state) as client:
        found = find(client, dataset)
    if as_json:
        print_json(found)
        return
    print_dataset(found)
    columns = found["columns"]
    print_table(
        [
            Column("column", [escape(column["name"]) for column in columns]),
            Column("type", [column["type"] for column in columns]),
            Column("min", [number(column.get("min")) for column in columns], right=True),
            Column("max", [number(column.get("max")) for column in columns], right=True),
            Column("missing", [f"{column['missing']:,}" for column in columns], right=True),
            Column(
                "values", [str(len(column["values"])) if "values" in column else "" for column in columns], right=True
            ),
        ]
    )


@app.command()
def delete(dataset: DatasetArgument, as_json: Json = False, state: State = None) -> None:
    """Delete one version of a data set that no unended job needs."""
    with connected(state) as client:
        found = find(client, dataset)
        client.delete_dataset(found["id"])
    if as_json:
        print_json({"id": found["id"], "deleted": True})
    else:
        say(f"{found['id']}  [dim]deleted[/]")


@app.command()
def publish(
    dataset: DatasetArgument,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Its own project's again.")] = False,
    as_json: Json = False,
    state: State = None,
) -> None:
    """Let the jobs of all projects use a data set (an admin key for all projects).

    $ descent datasets publish flowers
    """
    with connected(state) as client:
        found = client.publish_dataset(find(client, dataset)["id"], published=not withdraw)
    if as_json:
        print_json(found)
        return
    name = escape(f"{found['name']}@{found['version']}")
    say(f"{found['id']}  {name} is {'published for all projects' if found['published'] else 'withdrawn'}")


@app.command()
def install(
    name: Annotated[str, typer.Argument(help="mnist, fashion_mnist, cifar10 or imdb.")],
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="FILE|URL", help="The original archive; for MNIST the folder of its four files."
        ),
    ] = None,
    sha256: Annotated[
        list[str] | None,
        typer.Option(metavar="[FILE=]HEX", help="Take an archive with this hash instead of the original's."),
    ] = None,
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Install a big built-in data set for all projects (operator; on the service's database and store).

    $ descent datasets install mnist
    $ descent datasets install imdb --from aclImdb_v1.tar.gz
    """
    with server_parts():
        from app.datasets.errors import DatasetError
        from app.datasets.install import install as install_archives
        from app.datasets.installable import INSTALLABLE
    if name not in INSTALLABLE:
        fail(f"there is no data set {name!r} to install; there are: {', '.join(INSTALLABLE)}", code=2)
    archives = list(INSTALLABLE[name].sha256)
    named = [text.rpartition("=") for text in sha256 or ()]
    hashes = {file or archives[0]: digest for file, _, digest in named}
    if unknown := set(hashes) - set(archives):
        fail(f"{name} has no file {min(unknown)!r}; there are: {', '.join(archives)}", code=2)
    connect_servers(state)
    try:
        samples = install_archives(name, source, hashes, note)
    except DatasetError as error:
        fail(str(error))
    say(f"{name} is installed: " + ", ".join(f"{count:,} in {part}" for part, count in samples.items()))


def find(client: "Client", text: str) -> "Dataset":
    """By id, NAME@VERSION, NAME@latest or NAME. Raises DescentError."""
    if text.startswith("ds_"):
        return client.dataset(text)
    name, _, version = text.partition("@")
    for item in client.datasets(name=name):
        if version in ("", "latest", str(item["version"])):
            return item
    raise DescentError(f"there is no data set {text!r}")


def print_dataset(found: "Dataset") -> None:
    classes = f"{found['classes']}" if found["classes"] is not None else "none: the target is a number"
    print_pairs(
        [
            ("data set", found["id"]),
            ("name", escape(f"{found['name']}@{found['version']}")),
            ("samples", f"{found['samples']:,}"),
            ("shape", shape(found)),
            ("target", escape(found["target"] or "")),
            ("classes", classes if found["target"] else ""),
            ("size", size(found["bytes"])),
        ]
    )
    for warning in found["warnings"]:
        note(escape(warning))


def shape(found: "Dataset") -> str:
    if found["shape"] is None:
        return "by columns"
    return "text" if found["dtype"] == "text" else "×".join(map(str, found["shape"]))  # noqa: RUF001
