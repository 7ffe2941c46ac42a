"""The command that says what a spec may name."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from rich.markup import escape

from descent.cli.output import Column, Json, State, connected, console, print_json, print_pairs, print_table, say
from descent.errors import DescentError
from descent.numbers import encode

app = typer.Typer()


@app.command(rich_help_panel="Service")
def catalog(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A component (Adam) or a kind (schedulers).")
    ] = None,
    as_json: Json = False,
    state: State = None,
) -> None:
    """List what a spec may name, or the arguments of one component.

    $ descent catalog

    $ descent catalog optimizers

    $ descent catalog OneCycleLR
    """
    with connected(state) as client:
        kinds = {kind: entries for kind, entries in client.catalog().items() if isinstance(entries, list)}
        if name is None:
            shown: Any = kinds
        elif name.lower() in kinds:
            shown = kinds[name.lower()]
        else:
            shown = find(kinds, name)
    if as_json:
        print_json(shown)
    elif name is None:
        print_pairs([(kind.replace("_", " "), escape(", ".join(map(title, kinds[kind])))) for kind in kinds])
    elif isinstance(shown, list):
        print_pairs([(title(entry), escape(first_sentence(entry))) for entry in shown])
    else:
        print_component(shown)


def title(entry: Mapping[str, Any]) -> str:
    return str(entry.get("type") or entry.get("name"))


def first_sentence(entry: Mapping[str, Any]) -> str:
    text = " ".join(str(entry.get("description") or "").split())
    return text.partition(". ")[0].rstrip(".") or ", ".join(name for name, _ in arguments(entry)) or "no arguments"


def find(kinds: Mapping[str, list[dict[str, Any]]], name: str) -> dict[str, Any]:
    """The component of that name, however it is written. Raises DescentError."""
    for entry in (entry for entries in kinds.values() for entry in entries):
        if title(entry).lower() == name.lower():
            return entry
    raise DescentError(f"there is no {name!r} in the catalog, and no kind of that name: {', '.join(kinds)}")


def print_component(entry: Mapping[str, Any]) -> None:
    say(f"[bold]{escape(title(entry))}[/]")
    if entry.get("description"):
        console.print(escape(str(entry["description"])))
    schema = entry.get("schema", {})
    required = schema.get("required", [])
    found = list(arguments(entry))
    if found:
        print_table(
            [
                Column("argument", [escape(name) for name, _ in found]),
                Column("type", [escape(type_of(schema, rule)) for _, rule in found]),
                Column("default", [escape(default_of(name, rule, required)) for name, rule in found]),
                Column("", [escape(str(rule.get("description", ""))) for _, rule in found], rank=1, style="dim"),
            ]
        )


def arguments(entry: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, rule in entry.get("schema", {}).get("properties", {}).items():
        if name != "type":
            yield name, rule


def default_of(name: str, rule: Mapping[str, Any], required: list[str]) -> str:
    if name in required:
        return "required"
    return encode(rule["default"]) if "default" in rule else ""


def type_of(schema: Mapping[str, Any], rule: Mapping[str, Any]) -> str:
    """`number ≥ 0`, `list of integer`, `"mean" | "sum"`, `boolean | null`: a JSON Schema in a few words."""
    if "$ref" in rule:
        return type_of(schema, schema.get("$defs", {}).get(str(rule["$ref"]).rpartition("/")[2], {}))
    for several in ("anyOf", "oneOf"):
        if several in rule:
            return " | ".join(dict.fromkeys(type_of(schema, one) for one in rule[several]))
    if "const" in rule:
        return encode(rule["const"])
    if "enum" in rule:
        words = [encode(value) for value in rule["enum"]]
        return " | ".join(words if len(words) <= 4 else [*words[:3], "…"])
    kind = str(rule.get("type", "any"))
    if kind == "array":
        if "prefixItems" in rule:
            return "[" + ", ".join(type_of(schema, one) for one in rule["prefixItems"]) + "]"
        return f"list of {type_of(schema, rule.get('items') or {})}"
    limits = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return " ".join([kind, *(f"{sign} {rule[key]:g}" for key, sign in limits.items() if key in rule)])
