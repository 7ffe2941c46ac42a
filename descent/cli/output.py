"""What every command prints with: tables that fit, JSON for machines, errors in one line."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table

from descent.errors import DescentError
from descent.numbers import encode

if TYPE_CHECKING:
    from descent.client import Client

WIDE = 400
"""Columns where no terminal cuts: what is piped into a file or another program stays whole."""

console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
errors = Console(stderr=True, highlight=False)

State = Annotated[
    Path | None,
    typer.Option("--state", help="The state folder of a `descent up`, instead of the environment's.", metavar="DIR"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
JobArgument = Annotated[
    str, typer.Argument(metavar="JOB", help="An id, the beginning of one, or `last`.", show_default=False)
]


@contextmanager
def connected(state: Path | None) -> Iterator["Client"]:
    """A client; whatever goes wrong with it ends the command with one line."""
    from descent.client import Client

    told = False

    def tell(error: DescentError, pause: float) -> None:
        nonlocal told
        if not told:
            note(f"{error}; trying again …")
        told = True

    try:
        with Client(state=state, patience=5.0, on_retry=tell) as client:
            yield client
    except DescentError as error:
        fail(str(error))


def fail(message: str, code: int = 1) -> NoReturn:
    errors.print(f"[bold red]error[/]: {escape(message)}", soft_wrap=True)
    raise typer.Exit(code)


def note(message: str) -> None:
    """Something to know that is not the answer."""
    errors.print(f"[dim]{escape(message)}[/]", soft_wrap=True)


def say(markup: str) -> None:
    console.print(markup, soft_wrap=True)


def print_json(document: Any) -> None:
    print(encode(document, indent=2))


@dataclass(frozen=True)
class Column:
    """`rank`: 0 always stays; of the others the highest goes first where the terminal is too narrow."""

    title: str
    cells: Sequence[str]
    rank: int = 0
    right: bool = False
    style: str = ""

    @property
    def width(self) -> int:
        return max(map(cell_len, [self.title, *self.cells]))

    @property
    def justify(self) -> JustifyMethod:
        return "right" if self.right else "left"


GAP = 2


def print_table(columns: Sequence[Column], *, complete: str = "--json has all") -> None:
    """Rows under dim titles; columns that do not fit are left out, and a note says which."""
    shown = [column for column in columns if any(column.cells) or column.rank == 0]
    hidden: list[Column] = []
    while sum(column.width + GAP for column in shown) - GAP > console.width and any(c.rank for c in shown):
        last = max(shown, key=lambda column: column.rank)
        shown.remove(last)
        hidden.append(last)
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="dim")
    for column in shown:
        title = escape(column.title)
        table.add_column(title, justify=column.justify, no_wrap=True, style=column.style, overflow="ellipsis")
    for cells in zip(*(column.cells for column in shown), strict=True):
        table.add_row(*cells)
    console.print(table)
    titles = ", ".join(column.title for column in hidden if column.title)
    if titles:
        note(f"too narrow for: {titles} ({complete})")


def print_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """A title and its value on each line; empty values are left out."""
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for title, value in pairs:
        if value:
            grid.add_row(title, value)
    console.print(grid)
