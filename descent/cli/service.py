"""Commands on the service that the client talks to."""

from typing import Any

import typer
from rich.markup import escape

from descent.cli.output import Column, Json, State, connected, print_json, print_pairs
from descent.cli.text import clock

app = typer.Typer()
PANEL = "Service"


def column(title: str, rows: list[dict[str, Any]]) -> Column:
    return Column(title, [escape(words(row.get(title))) for row in rows], rank=0 if title in ("id", "queue") else 1)


def words(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "" if value is None else str(value)


@app.command(rich_help_panel=PANEL)
def whoami(as_json: Json = False, state: State = None) -> None:
    """Say which service and key the other commands use."""
    with connected(state) as client:
        me = client.me()
        url = client.url
    if as_json:
        print_json({"url": url, **me})
        return
    print_pairs(
        [
            ("url", escape(url)),
            ("key", escape(f"{me['name']} ({me['id']})")),
            ("scopes", " ".join(me["scopes"])),
            ("projects", escape(", ".join(project["name"] for project in me["projects"]))),
            ("expires", clock(me["expires_at"])),
        ]
    )
