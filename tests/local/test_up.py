"""`descent up` as an operator sees it: up, parts killed, down, up again; and killed itself."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.local.postgres import Postgres
from app.local.processes import born

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]
DESCENT = [sys.executable, "-m", "descent.cli.operate"]
ROOT = Path(__file__).parents[2]
PARTS = {"postgres", "redis", "api", "worker", "previews"}


def eventually(what: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@dataclass
class Installation:
    state: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    servers: dict[str, str] = field(default_factory=dict)
    """DESCENT_…_URL of servers that are there already."""

    def environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("DESCENT_")}
        return clean | self.servers

    def up(self) -> subprocess.Popen[bytes]:
        command = [*DESCENT, "up", "--port", "0", "--state", str(self.state), "--workers", "1"]
        with open(self.state.with_suffix(".out"), "ab") as output:
            process = subprocess.Popen(command, env=self.environment(), stdout=output, stderr=output)
        self.started.append(process)

        def ready() -> bool:
            assert process.poll() is None, self.state.with_suffix(".out").read_text()
            return (self.state / "connection.json").exists() and bool(self.run().get("ready"))

        self.state.joinpath("connection.json").unlink(missing_ok=True)
        eventually(ready, 120)
        return process

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [*DESCENT, *words, "--state", str(self.state)]
        return subprocess.run(command, env=self.environment(), capture_output=True, text=True, timeout=120)

    def run(self) -> dict[str, Any]:
        path = self.state / "run.json"
        document: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return document

    def pids(self) -> dict[str, int]:
        return {name: part["pid"] for name, part in self.run()["parts"].items()}

    def connection(self) -> dict[str, str]:
        document: dict[str, str] = json.loads((self.state / "connection.json").read_text())
        return document

    def get(self, path: str, body: Any = None) -> Any:
        """A GET, or with a body a POST."""
        connection = self.connection()
        headers = {"Authorization": f"Bearer {connection['api_key']}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(
            urllib.request.Request(connection["url"] + path, data, headers), timeout=30
        ) as answer:
            return json.load(answer)

    def is_ready(self) -> bool:
        try:
            self.get("/readyz")
        except OSError:
            return False
        return True


@pytest.fixture
def installation() -> Iterator[Installation]:
    folder = Path(tempfile.mkdtemp(prefix="descent-test-"))
    made = Installation(folder / "state")
    made.state.mkdir()
    yield made
    for process in made.started:
        process.terminate()
        process.wait(120)
    shutil.rmtree(folder, ignore_errors=True)


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


@pytest.mark.slow
def test_up_killed_parts_down_and_up_again(installation: Installation) -> None:
    process = installation.up()
    assert (installation.state / "connection.json").stat().st_mode & 0o777 == 0o600
    assert installation.is_ready()
    pids = installation.pids()
    assert set(pids) == PARTS
    with_the_word = {name for name, pid in (pids | {"up": process.pid}).items() if "worker" in command_line(pid)}
    assert with_the_word == {"worker", "previews"}

    second = installation.command("up")
    assert (second.returncode, "running" in second.stderr) == (1, True)

    for name in sorted(PARTS):
        killed = installation.pids()[name]
        os.kill(killed, signal.SIGKILL)
        eventually(lambda name=name, killed=killed: installation.pids().get(name, killed) != killed)  # type: ignore[misc]
    eventually(installation.is_ready)
    first_key = installation.connection()["api_key"]
    made = installation.command("keys", "create", "--name", "second")
    assert made.stdout.startswith("dsk_"), made.stderr

    spec = json.loads((ROOT / "examples/digits-cnn-adam.json").read_text())
    job = "/v1/jobs/" + installation.get("/v1/jobs", spec | {"training": spec["training"] | {"epochs": 500}})["id"]
    eventually(lambda: installation.get(f"{job}/epochs")["data"] != [])

    sockets = Path(installation.run()["sockets"])
    pids = installation.pids()
    done = installation.command("down")
    assert (done.returncode, process.wait(10)) == (0, 0)
    assert [name for name, pid in pids.items() if born(pid)] == []
    assert not sockets.exists()
    assert not (installation.state / "connection.json").exists()
    assert installation.command("status").returncode == 1

    installation.up()
    assert installation.connection()["api_key"] == first_key
    eventually(lambda: installation.get(job)["status"] == "running")
    first, second_attempt = sorted(installation.get(f"{job}/attempts")["data"], key=lambda row: int(row["attempt"]))
    assert (first["cause"], second_attempt["cause"]) == ("drained", None)
    installation.get(f"{job}/cancel", {})
    shown = json.loads(installation.command("status", "--json").stdout)
    assert shown["ready"]
    assert set(shown["parts"]) == PARTS
    assert all(part["alive"] for part in shown["parts"].values())


@pytest.mark.slow
def test_killed_itself_it_leaves_nothing_and_starts_again_at_once(installation: Installation) -> None:
    process = installation.up()
    pids = installation.pids()
    children = below(pids.values())
    process.kill()
    process.wait()
    again = installation.up()
    assert [command_line(pid) for pid in children if born(pid)] == []
    assert installation.is_ready()

    everything = [again.pid, *installation.pids().values()]
    for pid in everything:
        os.kill(pid, signal.SIGKILL)
    again.wait()
    installation.up()
    assert installation.is_ready()


def below(pids: Any) -> set[int]:
    """These processes and all that descend from them."""
    found = set(pids)
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def test_servers_named_in_the_environment_are_used(
    installation: Installation, postgres: Postgres, redis_url: str
) -> None:
    postgres.create_database("elsewhere")
    installation.servers = {"DESCENT_DATABASE_URL": postgres.url("elsewhere"), "DESCENT_BROKER_URL": redis_url}
    installation.up()
    assert set(installation.pids()) == {"api", "worker", "previews"}
    assert not (installation.state / "postgres").exists()
    with psycopg.connect(postgres.url("elsewhere")) as connection:
        assert connection.execute("SELECT count(*) FROM api_key").fetchone() == (1,)


def test_a_database_that_is_away_is_said_plainly(installation: Installation) -> None:
    installation.servers = {"DESCENT_DATABASE_URL": "postgresql://nobody@/nothing?host=/nowhere"}
    done = installation.command("up", "--port", "0")
    assert (done.returncode, done.stderr.startswith("error: the database cannot be used: ")) == (1, True)


def test_a_module_in_the_folder_where_it_is_started_is_not_taken_for_one_of_ours(installation: Installation) -> None:
    (installation.state.parent / "app.py").write_text("raise SystemExit('taken')")
    installation.servers = {"DESCENT_DATABASE_URL": "postgresql://nobody@/nothing?host=/nowhere"}
    command = [Path(sys.executable).with_name("descent"), "up", "--workers", "1", "--port", "0"]
    command += ["--state", str(installation.state)]
    done = subprocess.run(
        command,
        env=installation.environment(),
        cwd=installation.state.parent,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stderr.startswith("error: the database cannot be used: ")


def test_a_port_in_use_is_said_plainly(installation: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = installation.command("up", "--port", str(port))
    assert (done.returncode, done.stderr.split("\n")[0]) == (
        1,
        f"error: port {port} is in use: choose another with --port (--port 0 takes a free one)",
    )
