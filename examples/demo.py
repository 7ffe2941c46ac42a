"""`make demo`: a real training job through the real system, killed in the middle and resumed to the bit.

Brings a Postgres, a Redis, the API and workers in a temporary folder, and takes everything away again.
"""

import ctypes
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from descent import Client, DescentError
from descent.cli.follow import follow
from descent.cli.text import clock
from descent.types import EpochRow, Event, Job

ROOT = Path(__file__).resolve().parents[1]
SPEC = ROOT / "examples" / "digits-cnn-adam.json"
KILL_AFTER_EPOCHS = (4, 2, 1)
"""The kill comes when this epoch's row is seen; a machine that is done before it lands gets an earlier one."""
WANTED_ACCURACY = 0.95
START_SECONDS = 150.0
BY_THE_CLOCK = frozenset({"seq", "attempt", "duration_seconds", "samples_per_second", "finished_at"})
"""What no two runs share."""
PR_SET_PDEATHSIG = 1

console = Console(highlight=False)


class Disappointed(Exception):
    """Something that the demo promises does not hold."""


class Killer:
    """Ends the training process as `kill -9` does, when an epoch's row has been seen."""

    def __init__(self, service: subprocess.Popen[bytes], after_epoch: int) -> None:
        self.service = service
        self.after_epoch = after_epoch
        self.killed_at: float | None = None
        self.back = False

    def look(self, row: EpochRow) -> None:
        if self.killed_at is None and row["epoch"] >= self.after_epoch:
            for pid in trainers(self.service.pid):
                os.kill(pid, signal.SIGKILL)
                self.killed_at = time.monotonic()
                console.print(
                    f"   [bold red]kill -9 {pid}[/]  the training process, while it goes on with the next epoch"
                )
        elif self.killed_at is not None and row["attempt"] > 1 and not self.back:
            self.back = True
            console.print(f"   [dim]back {time.monotonic() - self.killed_at:.1f} s after the kill[/]")


def main() -> None:
    started = time.monotonic()
    console.print("\n[bold]Descent[/]  a training job, killed in the middle and resumed to the bit\n")
    with service() as (process, state), Client(state=state) as client:
        spec = json.loads(SPEC.read_text())
        title("2", f"Submit examples/{SPEC.name}: a CNN on handwritten digits")
        interrupted = run_and_kill(client, spec, process)
        title("3", "The same spec again, left alone")
        undisturbed = run(client, spec)
        title("4", "Compare the two runs")
        compare(client, interrupted, undisturbed)
    console.print(f"[green bold]Everything held[/], in {time.monotonic() - started:.0f} s.\n")
    next_commands()


@contextmanager
def service() -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """`descent up` in a temporary folder; stopped and removed on leaving, however that happens."""
    title("1", "Start everything: Postgres, Redis, the API, a worker")
    folder = Path(tempfile.mkdtemp(prefix="descent-demo-"))
    state = folder / "state"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DESCENT_")}
    environment |= {"DESCENT_UP_SLOTS": "2", "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor")}
    command = [sys.executable, "-m", "descent", "up", "--port", "0", "--state", str(state)]
    started = time.monotonic()
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True, preexec_fn=die_with_us
        )
    try:
        with console.status("   starting …"):
            url = wait_until_ready(process, state, folder / "up.log")
        took = time.monotonic() - started
        console.print(f"   [green]✓[/] up at [cyan]{url}[/] after {took:.1f} s, in {state}", soft_wrap=True)
        yield process, state
    except (Disappointed, DescentError):
        console.print(f"[dim]{escape(tail(folder / 'up.log'))}[/]")
        raise
    finally:
        with console.status("   stopping the service …"):
            stop(process)
        shutil.rmtree(folder, ignore_errors=True)


def die_with_us() -> None:
    """Runs in the child: should this program be killed, the service stops too (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def wait_until_ready(process: "subprocess.Popen[bytes]", state: Path, log: Path) -> str:
    """The address; connection.json appears when the API answers and a worker of each kind is there."""
    deadline = time.monotonic() + START_SECONDS
    while not (state / "connection.json").exists():
        if process.poll() is not None:
            raise Disappointed(f"`descent up` ended with status {process.returncode}")
        if time.monotonic() > deadline:
            raise Disappointed(f"`descent up` was not ready within {START_SECONDS:.0f} s")
        time.sleep(0.05)
    url: str = json.loads((state / "connection.json").read_text())["url"]
    return url


def stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(40)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run_and_kill(client: Client, spec: dict[str, Any], process: "subprocess.Popen[bytes]") -> Job:
    """The job whose training process was killed while it ran."""
    for after_epoch in KILL_AFTER_EPOCHS:
        killer = Killer(process, after_epoch)
        job = run(client, spec, killer)
        if job["attempt"] > 1:
            for attempt in client.attempts(job)[:-1]:
                console.print(f"   [dim]attempt {attempt['attempt']} ended: {attempt['cause']}[/]")
            return job
        console.print("   [yellow]The job was done before the kill could land: once more, with an earlier one.[/]")
    raise Disappointed("the training process could not be killed in the middle of a run")


def run(client: Client, spec: dict[str, Any], killer: Killer | None = None) -> Job:
    """Submit, show every row and event as it comes, and give the ended job back."""
    job = client.submit(spec)
    console.print(f"   [dim]{job['id']}[/]")
    console.print("   [dim]epoch   train loss   validation loss   validation accuracy   learning rate[/]")
    for change in follow(client, job["id"], from_start=True):
        job = change.job
        for seq in sorted(one["seq"] for one in [*change.rows, *change.events]):
            for event in (event for event in change.events if event["seq"] == seq):
                show_event(event)
            for row in (row for row in change.rows if row["seq"] == seq):
                show_row(row)
                if killer is not None:
                    killer.look(row)
    if job["status"] != "succeeded":
        raise Disappointed(f"{job['id']} ended as {job['status']}: {job['error']}")
    console.print(f"   [green]✓ succeeded[/] at epoch {job['progress']['epoch']}, attempt {job['attempt']}")
    return job


def show_row(row: EpochRow) -> None:
    accuracy = row["metrics"]["validation_accuracy"]
    validation = row["validation_loss"] or 0.0
    figures = f"{row['train_loss']:>10.6f}   {validation:>15.6f}   {accuracy:>19.2%}   {row['learning_rates'][0]:>13g}"
    console.print(f"   {row['epoch']:>5}   {figures}")


def show_event(event: Event) -> None:
    if event["type"] in ("interrupted", "resumed", "resume_verified"):
        style = "red" if event["type"] == "interrupted" else "green"
        line = f"[{style}]{event['type']}[/]  {escape(event['message'])}"
        console.print(f"   [dim]{clock(event['created_at'])}[/] {line}", soft_wrap=True)


def trainers(service_pid: int) -> list[int]:
    """The forked children of the warm parents below the service: each is one attempt's training process."""
    parents: dict[int, int] = {}
    warm: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue  # it has ended meanwhile
        parents[int(entry.name)] = int(fields[1])
        if b"worker.warm" in command and fields[0] != "Z":
            warm.add(int(entry.name))
    return [pid for pid in sorted(warm) if parents[pid] in warm and below(pid, service_pid, parents)]


def below(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid in parents:
        pid = parents[pid]
        if pid == ancestor:
            return True
    return False


def compare(client: Client, interrupted: Job, undisturbed: Job) -> None:
    """Rows, test and weights of both must be equal to the last bit. Raises Disappointed."""
    pairs = list(zip(client.epochs(interrupted), client.epochs(undisturbed), strict=True))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("   epoch", "attempt", "train loss", "validation loss", "accuracy", "alone"):
        table.add_column(heading, justify="right")
    for one, other in pairs:
        table.add_row(
            str(one["epoch"]),
            str(one["attempt"]),
            repr(one["train_loss"]),
            repr(one["validation_loss"]),
            f"{one['metrics']['validation_accuracy']:.2%}",
            "[green]same[/]" if bits(one) == bits(other) else f"[red]{other['train_loss']!r}[/]",
        )
    console.print(table)
    differing = [one["epoch"] for one, other in pairs if bits(one) != bits(other)]
    check(not differing, f"{len(pairs)} rows of {len(pairs)} equal, bit for bit", f"epochs {differing} differ")
    tests = [
        bits(job["test"] and {key: job["test"][key] for key in ("loss", "metrics")})
        for job in two(interrupted, undisturbed)
    ]
    check(tests[0] == tests[1], "test loss and metrics equal", f"the tests differ: {tests}")
    hashes = [tensor_hash(client.weights(job)) for job in two(interrupted, undisturbed)]
    check(hashes[0] == hashes[1], f"final weights equal: sha256 {hashes[0][:32]}…", f"the weights differ: {hashes}")
    accuracy = pairs[-1][0]["metrics"]["validation_accuracy"]
    reached = f"validation accuracy {accuracy:.2%}, at least {WANTED_ACCURACY:.0%} wanted"
    check(accuracy >= WANTED_ACCURACY, reached, reached)
    console.print()


def two(one: Job, other: Job) -> tuple[Job, Job]:
    return one, other


def check(holds: bool, good: str, bad: str) -> None:
    if not holds:
        raise Disappointed(bad)
    console.print(f"   [green]✓[/] {good}")


def bits(value: Any) -> Any:
    """The value with every float as its exact digits; what goes by the clock is left out."""
    if isinstance(value, dict):
        return {key: bits(child) for key, child in value.items() if key not in BY_THE_CLOCK}
    if isinstance(value, list):
        return [bits(child) for child in value]
    return value.hex() if isinstance(value, float) else value


def tensor_hash(safetensors: bytes) -> str:
    """SHA-256 over all tensors by name: dtype, shape and bytes."""
    length = int.from_bytes(safetensors[:8], "little")
    header = json.loads(safetensors[8 : 8 + length])
    data = safetensors[8 + length :]
    found = hashlib.sha256()
    for name, tensor in sorted(header.items()):
        if name != "__metadata__":
            begin, end = tensor["data_offsets"]
            found.update(f"{name} {tensor['dtype']} {tensor['shape']}\n".encode() + data[begin:end])
    return found.hexdigest()


def next_commands() -> None:
    console.print("[bold]Try next[/]")
    for purpose, command in (
        ("the service, until Ctrl-C", "up"),
        ("in another terminal: the same job with a live bar", f"submit examples/{SPEC.name} --watch"),
        ("another learning rate", f"submit examples/{SPEC.name} --set /optimizer/lr=0.01 --watch"),
        ("every epoch's figures, the trained model", "epochs last"),
        ("", "weights last -o model.safetensors"),
        ("everything else", "--help"),
    ):
        if purpose:
            console.print(f"   [dim]# {purpose}[/]", soft_wrap=True)
        console.print(f"   [cyan].venv/bin/descent {command}[/]", soft_wrap=True)
    console.print()


def title(number: str, text: str) -> None:
    console.print(f"[bold cyan]{number}[/]  [bold]{escape(text)}[/]")


def tail(path: Path, lines: int = 30) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


def interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)
    try:
        main()
    except KeyboardInterrupt:
        console.print("\nInterrupted; everything is stopped and removed.")
        sys.exit(130)
    except (Disappointed, DescentError) as error:
        console.print(f"\n[bold red]The demo failed:[/] {escape(str(error))}")
        sys.exit(1)
