"""Commands on jobs: submit, list, show, watch and the moves."""

import sys
from typing import Annotated, Any

import typer
from rich.markup import escape

from descent.cli.output import JobArgument, Json, State, connected, note, print_json, say
from descent.cli.select import find_job
from descent.cli.shown import print_dry_run, print_job, print_jobs
from descent.cli.text import status
from descent.errors import DescentError
from descent.types import ENDED, Job

app = typer.Typer()
PANEL = "Jobs"
Wait = Annotated[bool, typer.Option("--wait", "-w", help="Come back when it is done.")]


@app.command(rich_help_panel=PANEL)
def submit(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A job spec in JSON; `-` reads standard input.")],
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Follow it until it ends.")] = False,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="/POINTER=VALUE", help="Change a value of the spec; may be repeated."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The job's name, instead of the spec's.")] = None,
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", metavar="KEY=VALUE", help="A label; may be repeated.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what the spec means; nothing is stored.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the job's id alone.")] = False,
    as_json: Json = False,
    state: State = None,
) -> None:
    """Queue a training job.

    $ descent submit examples/digits-cnn-adam.json --watch

    $ descent submit spec.json --set /optimizer/lr=0.01 --set '/training/clip={"type": "norm", "max_norm": 1}'

    $ jq '.seed = 7' spec.json | descent submit - --quiet
    """
    from descent.cli.specs import change, pairs, read_spec
    from descent.cli.watch import watch_job

    with connected(state) as client:
        spec = read_spec(file)
        for assignment in changes or ():
            change(spec, assignment)
        if name is not None:
            spec["name"] = name
        if metadata:
            spec["metadata"] = {**spec.get("metadata", {}), **pairs(metadata, "--metadata")}
        if dry_run:
            found = client.dry_run(spec)
            print_json(found) if as_json else print_dry_run(found)
            return
        if "over" in spec and "spec" in spec:
            raise DescentError(f"{file} is a sweep: descent sweeps submit {file}")
        job = client.submit(spec)
        for warning in job.get("warnings", []):
            note(f"warning: {warning['pointer']} {warning['detail']}")
        if quiet:
            print(job["id"], flush=True)
        elif not as_json:
            say(f"[bold]{job['id']}[/]  {escape(job['name'] or '')}  {status(job)}")
        elif not watch:
            print_json(job)
        if watch:
            watch_job(client, job["id"], as_json=as_json, from_start=True)
        elif not quiet and not as_json and sys.stdout.isatty():
            note(f"Follow it: descent watch {job['id']}")


@app.command("list", rich_help_panel=PANEL)
def list_jobs(
    statuses: Annotated[list[str] | None, typer.Option("--status", help="Only such jobs; may be repeated.")] = None,
    metadata: Annotated[
        list[str] | None, typer.Option("--metadata", metavar="KEY=VALUE", help="Only jobs that carry it.")
    ] = None,
    query: Annotated[str | None, typer.Option("--query", "-q", help="Part of a name.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many.")] = 20,
    as_json: Json = False,
    state: State = None,
) -> None:
    """List jobs, the newest first.

    $ descent list --status running --status queued

    $ descent list --metadata team=vision --json
    """
    from descent.cli.specs import pairs

    with connected(state) as client:
        wanted: Any = statuses or ()
        labels = pairs(metadata or [], "--metadata")
        jobs = list(client.jobs(limit=limit, status=wanted, metadata=labels, q=query))
    if as_json:
        print_json(jobs)
    elif not jobs:
        note("no jobs" + (" of this kind" if statuses or metadata or query else " yet: descent submit FILE"))
    else:
        print_jobs(jobs)


@app.command(rich_help_panel=PANEL)
def show(
    job: JobArgument,
    spec: Annotated[bool, typer.Option("--spec", help="Print the spec as it was sent.")] = False,
    resolved: Annotated[bool, typer.Option("--resolved", help="Print the spec with every default filled in.")] = False,
    as_json: Json = False,
    state: State = None,
) -> None:
    """Show one job: how far it is, its figures, why it waits or failed.

    $ descent show last

    $ descent show job_01k0a8 --resolved > again.json
    """
    with connected(state) as client:
        found = client.job(find_job(client, job))
    if spec or resolved:
        print_json(found["resolved_spec"] if resolved else found["spec"])
    elif as_json:
        print_json(found)
    else:
        print_job(found)


@app.command(rich_help_panel=PANEL)
def watch(job: JobArgument, as_json: Json = False, state: State = None) -> None:
    """Follow a job until it ends or is paused.

    Ctrl-C leaves it running. The exit status is 1 when the job failed or was cancelled.

    $ descent watch last
    """
    from descent.cli.watch import watch_job

    with connected(state) as client:
        watch_job(client, find_job(client, job), as_json=as_json, from_start=False)


@app.command(rich_help_panel=PANEL)
def cancel(job: JobArgument, wait: Wait = False, as_json: Json = False, state: State = None) -> None:
    """End a job, a running one at its next step."""
    with connected(state) as client:
        moved = client.cancel(find_job(client, job))
        print_moved(client.wait(moved) if wait else moved, as_json)


@app.command(rich_help_panel=PANEL)
def pause(job: JobArgument, wait: Wait = False, as_json: Json = False, state: State = None) -> None:
    """Save a checkpoint at the next step and free the slot.

    `descent resume` goes on there, to the bit.
    """
    with connected(state) as client:
        moved = client.pause(find_job(client, job))
        print_moved(client.wait(moved, until=ENDED | {"paused"}) if wait else moved, as_json)


@app.command(rich_help_panel=PANEL)
def resume(
    job: JobArgument,
    checkpoint: Annotated[str | None, typer.Option(help="Go on there, instead of at the latest.")] = None,
    as_json: Json = False,
    state: State = None,
) -> None:
    """Go on with a paused, failed or cancelled job.

    It goes back into the queue and starts at its latest checkpoint, or at the one named.
    """
    with connected(state) as client:
        print_moved(client.resume(find_job(client, job), checkpoint), as_json)


def print_moved(job: Job, as_json: bool) -> None:
    if as_json:
        print_json(job)
    else:
        say(f"{job['id']}  {status(job)}")


@app.command(rich_help_panel=PANEL)
def delete(
    job: JobArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
    state: State = None,
) -> None:
    """Remove an ended job with its rows and checkpoints, for good."""
    with connected(state) as client:
        job_id = find_job(client, job)
        if not yes and sys.stdin.isatty():
            typer.confirm(f"Remove {job_id} for good?", abort=True)
        client.delete(job_id)
    if as_json:
        print_json({"id": job_id, "deleted": True})
    else:
        say(f"{job_id}  removed")
