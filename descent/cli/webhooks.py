"""Commands on webhooks."""

from typing import Annotated

import typer
from rich.markup import escape

from descent.cli.output import Column, Json, State, connected, note, print_json, print_table, say
from descent.cli.text import ago

app = typer.Typer(no_args_is_help=True, help="Webhooks: URLs that are told what happens.")
WebhookArgument = Annotated[str, typer.Argument(metavar="WEBHOOK", help="An id: wh_…", show_default=False)]


@app.command("list")
def list_webhooks(as_json: Json = False, state: State = None) -> None:
    """List the project's webhooks, the newest first."""
    with connected(state) as client:
        found = list(client.webhooks())
    if as_json:
        print_json(found)
        return
    if not found:
        note("no webhooks")
        return
    print_table(
        [
            Column("id", [hook["id"] for hook in found], rank=0),
            Column("url", [escape(hook["url"]) for hook in found]),
            Column("events", ["all" if hook["events"] is None else " ".join(hook["events"]) for hook in found]),
            Column("state", ["enabled" if hook["enabled"] else "disabled" for hook in found]),
        ]
    )


@app.command()
def create(
    url: Annotated[str, typer.Argument(metavar="URL", help="https://…", show_default=False)],
    event: Annotated[list[str] | None, typer.Option(help="Such as job.failed; several are allowed (all).")] = None,
    as_json: Json = False,
    state: State = None,
) -> None:
    """Tell a URL what happens. The secret that signs it is printed this once."""
    with connected(state) as client:
        made = client.create_webhook(url, events=event)
    if as_json:
        print_json(made)
        return
    say(f"{made['id']}  secret {escape(made['secret'])}")


@app.command("test")
def send_test(webhook: WebhookArgument, as_json: Json = False, state: State = None) -> None:
    """Send a message of the type webhook.test."""
    with connected(state) as client:
        sent = client.test_webhook(webhook)
    if as_json:
        print_json(sent)
        return
    say(f"{sent['id']} is on its way: descent webhooks deliveries {webhook}")


@app.command()
def deliveries(
    webhook: WebhookArgument,
    limit: Annotated[int, typer.Option(help="At most so many.")] = 20,
    as_json: Json = False,
    state: State = None,
) -> None:
    """List what was sent or waits to be, and what became of it, the newest first."""
    with connected(state) as client:
        found = [entry for entry, _ in zip(client.webhook_deliveries(webhook), range(limit), strict=False)]
    if as_json:
        print_json(found)
        return
    if not found:
        note("nothing was sent yet")
        return
    last = [entry["last_attempt"] or {} for entry in found]
    print_table(
        [
            Column("id", [entry["id"] for entry in found], rank=0),
            Column("type", [entry["type"] for entry in found]),
            Column("status", [entry["status"] for entry in found]),
            Column("tried", [str(entry["attempts"]) for entry in found]),
            Column("answer", [escape(str(tried.get("status_code") or tried.get("error") or "")) for tried in last]),
            Column("when", [ago(entry["created_at"]) for entry in found]),
        ]
    )


@app.command()
def redeliver(
    webhook: WebhookArgument,
    delivery: Annotated[str, typer.Argument(metavar="DELIVERY", help="An id: msg_…", show_default=False)],
    state: State = None,
) -> None:
    """Send a message again, under the same id."""
    with connected(state) as client:
        client.redeliver(webhook, delivery)
    say(f"{delivery} is on its way")


@app.command()
def delete(webhook: WebhookArgument, state: State = None) -> None:
    """Delete a webhook with its deliveries."""
    with connected(state) as client:
        client.delete_webhook(webhook)
    say(f"{webhook} is deleted")
