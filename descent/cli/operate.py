"""The operator's commands: the whole service on this machine (`up`), and its parts alone for real deployments.

They import the server when called: the base install has none of it and says what to install.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from descent.cli import output
from descent.cli.output import Column, Json, console, fail, print_table

if TYPE_CHECKING:
    from app.local.state import Run, StateFolder

app = typer.Typer(no_args_is_help=True, add_completion=False)
keys = typer.Typer(no_args_is_help=True, help="API keys.")
OPERATE = "Operate"
app.add_typer(keys, name="keys", rich_help_panel=OPERATE)
StateOption = Annotated[
    Path, typer.Option("--state", envvar="DESCENT_STATE", help="The folder with the service's data, logs and sockets.")
]
DEFAULT_STATE = Path("~/.descent")


@contextmanager
def server_parts() -> Iterator[None]:
    """Around imports of the server: without it, say so."""
    try:
        yield
    except ModuleNotFoundError as error:
        fail(f"this command needs the server, and there is no module {error.name}: pip install 'descent-jobs[local]'")


@app.command(rich_help_panel=OPERATE)
def up(
    host: Annotated[str, typer.Option(envvar="DESCENT_UP_HOST", help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="DESCENT_UP_PORT", help="0 takes a free one.", min=0, max=65535)] = 8000,
    state: StateOption = DEFAULT_STATE,
    workers: Annotated[
        int | None, typer.Option(envvar="DESCENT_UP_SLOTS", help="CPU training slots (default: one a core).", min=1)
    ] = None,
) -> None:
    """Run the whole service on this machine, until Ctrl-C.

    Brings a Postgres and a Redis of its own (or uses DESCENT_DATABASE_URL and DESCENT_BROKER_URL), migrates, and
    supervises the API, the training slots and the previews.
    """
    # The word `worker` on a command line marks processes that train: ours must not have it. Arguments move to the
    # environment, and the same command starts again without them.
    if any("worker" in word for word in sys.argv[1:]):
        moved = {"DESCENT_UP_HOST": host, "DESCENT_UP_PORT": str(port), "DESCENT_STATE": str(state)}
        if workers is not None:
            moved["DESCENT_UP_SLOTS"] = str(workers)
        os.execve(sys.executable, [sys.executable, "-P", "-m", "descent.cli.operate", "up"], os.environ | moved)
    with server_parts():
        from app.local.processes import StartError
        from app.local.up import LocalService, Options
    try:
        LocalService(Options(state, host, port, workers), show_step, show_ready).serve()
    except StartError as error:
        fail(str(error))
    say("Stopped.")


@contextmanager
def show_step(title: str) -> Iterator[None]:
    """A line while something is done, and a tick when it is."""
    started = time.monotonic()
    spinner = console.status(f"{title} …") if console.is_terminal else nullcontext()
    with spinner:
        yield
    say(f"[green]✓[/] {title} [dim]{time.monotonic() - started:.1f} s[/]")


def show_ready(run: "Run", slots: str, state: Path) -> None:
    descent = "descent" if shutil.which("descent") else str(Path(sys.executable).with_name("descent"))
    descent = descent.removeprefix(f"{Path.cwd()}/")
    say(f"\n[bold]Descent is up at [cyan]{run.url}[/][/]\n")
    if state != DEFAULT_STATE.expanduser():
        say(f"  to find it     export DESCENT_STATE={escape(str(state))}")
    say(f"  dashboard      {run.url}/#key={escape(read_key(state))}")
    say(f"  submit a job   {descent} submit examples/digits-cnn-adam.json --watch")
    say(f"  what runs      {descent} list · {descent} status")
    say(f"  slots          {slots}, and the previews")
    say(f"  key, logs      {escape(str(state))}")
    say(f"  stop           Ctrl-C, or {descent} down\n")


def read_key(state: Path) -> str:
    """The local key: the link carries it in its fragment, which browsers keep to themselves."""
    return str(json.loads((state / "connection.json").read_text())["api_key"])


def say(text: str) -> None:
    """Printing never stops the service: its terminal may be gone."""
    with suppress(OSError):
        output.say(text)


@app.command(rich_help_panel=OPERATE)
def down(state: StateOption = DEFAULT_STATE) -> None:
    """Stop the service that `descent up` runs; running jobs checkpoint and go back to the queue."""
    import signal

    folder = _folder(state)
    pid = folder.holder()
    if pid is None:
        if folder.read_run() is not None:
            folder.clear_leftovers(seconds=2)
        say(f"Nothing runs in {folder.path}.")
        return
    os.kill(pid, signal.SIGTERM)
    with show_step("Stopped"):
        while folder.holder() == pid:
            time.sleep(0.1)


@app.command(rich_help_panel=OPERATE)
def status(
    state: StateOption = DEFAULT_STATE,
    as_json: Json = False,
) -> None:
    """The parts of the running service, and its jobs by status. Exit status 1 when nothing runs."""
    with server_parts():
        from app.local.processes import born
    folder = _folder(state)
    run = folder.read_run()
    if folder.holder() is None or run is None:
        if as_json:
            print(json.dumps({"running": False, "state": str(folder.path)}))
        else:
            say(f"Nothing runs in {folder.path}. Start it: descent up")
        raise typer.Exit(1)
    parts = {
        name: {"pid": part.pid, "alive": born(part.pid) == part.born, "restarts": part.restarts}
        for name, part in run.parts.items()
    }
    jobs = _jobs_by_status(run.database_url)
    if as_json:
        head = {"running": True, "ready": run.ready, "pid": run.pid, "url": run.url, "state": str(folder.path)}
        print(json.dumps(head | {"started_at": run.started_at, "parts": parts, "jobs": jobs}))
        return
    since = timedelta(seconds=round(time.time() - run.started_at))
    say(f"[bold]{'Ready' if run.ready else 'Starting'}[/] at [cyan]{run.url}[/] for {since}, state in {folder.path}")
    rows = [("up", str(run.pid), "[green]runs[/]", "")]
    for name, part in parts.items():
        state_now = "[green]runs[/]" if part["alive"] else "[red]starting again[/]"
        rows.append((name, str(part["pid"]), state_now, str(part["restarts"])))
    print_table(
        [Column(*column) for column in zip(("part", "pid", "", "restarts"), zip(*rows, strict=True), strict=True)]
    )
    if jobs is None:
        say("jobs: the database does not answer")
    else:
        say("jobs: " + (" · ".join(f"{count} {name}" for name, count in jobs.items()) or "none yet"))


def _jobs_by_status(database_url: str) -> dict[str, int] | None:
    import psycopg

    try:
        with psycopg.connect(database_url.replace("+psycopg", ""), connect_timeout=3) as connection:
            rows = connection.execute("SELECT status, count(*) FROM job GROUP BY status ORDER BY status").fetchall()
    except psycopg.Error:
        return None
    return {str(name): int(count) for name, count in rows}


def _folder(state: Path) -> "StateFolder":
    with server_parts():
        from app.local.state import StateFolder
    return StateFolder(state)


@app.command(rich_help_panel=OPERATE)
def api(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    state: StateOption = DEFAULT_STATE,
) -> None:
    """The API alone, on DESCENT_DATABASE_URL and DESCENT_BROKER_URL."""
    with server_parts():
        from app.local.uvicorn_server import serve
    connect_servers(state)
    raise typer.Exit(serve(host, port))


@app.command(rich_help_panel=OPERATE)
def worker(
    slots: Annotated[
        str | None,
        typer.Option(help="cpu=8,cuda:0=2 (default: one a core, one a GPU); cuda:0+cuda:1=1 is for jobs over both."),
    ] = None,
    queues: Annotated[str | None, typer.Option(help="`previews`: the process that answers dry runs.")] = None,
    labels: Annotated[str, typer.Option(help="What jobs may ask for, with commas: gpu-large,eu.")] = "",
    check: Annotated[bool, typer.Option("--check", help="Only say whether this host's workers are alive.")] = False,
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Training slots alone, or the previews, on DESCENT_DATABASE_URL, DESCENT_BROKER_URL and DESCENT_STORE_URL."""
    with server_parts():
        from app.local.devices import training_slots
    if find_spec("torch") is None:
        fail("this command needs torch: pip install 'descent-jobs[local]'")
    connect_servers(state)
    if check:
        from app.local.health import workers_alive

        raise typer.Exit(0 if workers_alive() else 1)
    arguments = ["--queues", queues] if queues else ["--slots", slots or training_slots(None)]
    if labels:
        arguments += ["--labels", labels]
    os.execv(sys.executable, [sys.executable, "-P", "-m", "worker.main", *arguments])


@app.command(rich_help_panel=OPERATE)
def migrate(state: StateOption = DEFAULT_STATE) -> None:
    """Bring the tables of DESCENT_DATABASE_URL up to date; safe to run again, and by several at once."""
    with server_parts():
        from app.local.migrate import upgrade
    connect_servers(state)
    upgrade()
    say("The tables are up to date.")


@keys.command("create")
def create_key(
    name: Annotated[str, typer.Option(help="What the key is for.")] = "operator",
    scopes: Annotated[str, typer.Option(help="Any of read, write, admin, with commas.")] = "read,write,admin",
    project: Annotated[str | None, typer.Option(help="The only project it is for, made if new (default: all).")] = None,
    state: StateOption = DEFAULT_STATE,
) -> None:
    """Make an API key and print it: it is kept as a hash only, and shown this once."""
    with server_parts():
        from app.local.first_key import create
    connect_servers(state)
    try:
        print(create(name, [scope.strip() for scope in scopes.split(",")], project))
    except ValueError as error:
        fail(str(error), code=2)


def connect_servers(state: Path) -> None:
    """Without servers in the environment, those of the local service that runs in the state folder."""
    if os.environ.get("DESCENT_DATABASE_URL"):
        return
    folder = _folder(state)
    run = folder.read_run()
    if folder.holder() is None or run is None:
        fail(f"DESCENT_DATABASE_URL is not set, and no `descent up` runs in {folder.path}")
    os.environ["DESCENT_DATABASE_URL"] = run.database_url
    os.environ.setdefault("DESCENT_BROKER_URL", run.broker_url)
    os.environ.setdefault("DESCENT_STORE_URL", run.store_url)


if __name__ == "__main__":
    app()
