"""Projects: a class of sixty out of a table, each with a key and a link to its dashboard."""

import csv
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, cast

import typer
from rich.markup import escape

from descent.cli.output import Column, Json, State, connected, fail, note, print_json, print_table
from descent.cli.text import clock

if TYPE_CHECKING:
    from descent import Client
    from descent.routes.administration import Scope

app = typer.Typer(no_args_is_help=True, help="Projects, each with jobs, data and keys of its own.")
ADDED = ("project_id", "key", "link")
Row = dict[str, str]


@app.command("list")
def show(as_json: Json = False, state: State = None) -> None:
    """List the key's projects."""
    with connected(state) as client:
        found = list(client.projects())
    if as_json:
        print_json(found)
        return
    names, made = [escape(one["name"]) for one in found], [clock(one["created_at"]) for one in found]
    print_table([Column("id", [one["id"] for one in found], rank=0), Column("name", names), Column("created", made)])


@app.command()
def create(
    name: Annotated[str | None, typer.Argument(help="One project's name.")] = None,
    table: Annotated[
        Path | None,
        typer.Option("--csv", help="A table with a column `name`: a project for each line.", dir_okay=False),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write the keys there, for its owner only (default: print).")] = None,
    scopes: Annotated[str, typer.Option(help="Of each key: any of read, write, admin, with commas.")] = "read,write",
    quota: Annotated[list[str] | None, typer.Option(help="A limit of each project: jobs=20. May repeat.")] = None,
    expires_at: Annotated[str | None, typer.Option(help="When the keys end: 2027-07-01T00:00:00Z.")] = None,
    state: State = None,
) -> None:
    """Make projects, each with a key, and print the table again with its keys and dashboard links.

    A key is shown this once. A project whose name is there already is left alone, so that a run that was cut off can be
    repeated. Takes an admin key for all projects.
    """
    if (name is None) == (table is None):
        fail("give a name, or a table with --csv", code=2)
    rows = [{"name": name}] if name is not None else read_table(cast(Path, table))
    limits = read_quotas(quota or [])
    wanted = [cast("Scope", scope.strip()) for scope in scopes.split(",")]
    with connected(state) as client, destination(out) as file:
        known = {project["name"] for project in client.projects()}
        writer = csv.DictWriter(file, [*rows[0], *ADDED], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            if row["name"] in known:
                note(f"{row['name']} is there already")
                continue
            writer.writerow(row | add(client, row["name"], limits, wanted, expires_at))
            file.flush()  # a key that was made is never lost to a later error


def add(
    client: "Client", name: str, quotas: dict[str, int], scopes: "list[Scope]", expires_at: str | None
) -> dict[str, str]:
    project = client.create_project(name, quotas=quotas)
    key = client.create_key(name, scopes=scopes, projects=[project["id"]], expires_at=expires_at)
    return {"project_id": project["id"], "key": key["secret"], "link": f"{client.url}/#key={key['secret']}"}


def read_table(path: Path) -> list[Row]:
    """The lines, each with a name of its own. Every fault is found before anything is made."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restkey="", restval="")
            columns, rows = list(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        fail(f"{path} cannot be read: {error}")
    if "name" not in columns or set(columns) & set(ADDED):
        fail(f"{path} needs a column `name`, and none of {', '.join(ADDED)}", code=2)
    seen: set[str] = set()
    for number, row in enumerate(rows, 2):
        row["name"] = row["name"].strip()
        if not row["name"] or "" in row:
            fail(
                f"{path}, line {number}: {'it has no name' if not row['name'] else 'it has more cells than the header'}"
            )
        if row["name"] in seen:
            fail(f"{path}, line {number}: the name {row['name']!r} stands twice")
        seen.add(row["name"])
    if not rows:
        fail(f"{path} has no lines")
    return rows


def read_quotas(texts: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in texts:
        name, separator, number = text.partition("=")
        if not separator or not number.isdigit():
            fail(f"--quota {text}: it looks like jobs=20", code=2)
        found[name] = int(number)
    return found


def destination(path: Path | None) -> AbstractContextManager[IO[str]]:
    """A new file that only its owner reads, or the standard output."""
    if path is None:
        return nullcontext(sys.stdout)
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", newline="")
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror}")
