"""The service under test: started with `descent up`, seen through HTTP, its processes and its folder."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx


class System:
    """A context: up on entering, stopped and removed on leaving."""

    def __init__(self, slots: int, lease_seconds: float) -> None:
        self.state = Path(tempfile.mkdtemp(prefix="descent-storm-"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DESCENT_")}
        environment["DESCENT_LEASE_SECONDS"] = str(lease_seconds)
        environment["DESCENT_MAX_ATTEMPTS"] = "50"  # a storm kills faster than any real machine
        self.lease_seconds = lease_seconds
        self.damaged: set[str] = set()
        """Checkpoints (by their path in the store) that the storm itself has changed."""
        command = [sys.executable, "-m", "descent", "up", "--port", str(port), "--state", str(self.state)]
        command += ["--workers", str(slots)]
        self.log = (self.state / "up.log").open("wb")
        self.process = subprocess.Popen(command, env=environment, stdout=self.log, stderr=self.log)

    def __enter__(self) -> "System":
        deadline = time.monotonic() + 90
        path = self.state / "connection.json"
        while not path.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the service did not come up:\n{(self.state / 'up.log').read_text()}")
            time.sleep(0.1)
        connection = json.loads(path.read_text())
        headers = {"Authorization": f"Bearer {connection['api_key']}"}
        self.http = httpx.Client(base_url=connection["url"], headers=headers, timeout=20)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.http.close()
        self.log.close()
        if kind is None:
            shutil.rmtree(self.state, ignore_errors=True)
        else:
            print(f"the state folder is kept for a look: {self.state}", file=sys.stderr)

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(path, params=parameters).raise_for_status().json()
        return found

    def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        made: dict[str, Any] = self.http.post(path, json=body).raise_for_status().json()
        return made

    @property
    def store(self) -> Path:
        return Path(self.environment_of("uvicorn")["DESCENT_STORE_URL"])

    def database_url(self) -> str:
        return self.environment_of("uvicorn")["DESCENT_DATABASE_URL"]

    def broker_url(self) -> str:
        return self.environment_of("uvicorn")["DESCENT_BROKER_URL"]

    def environment_of(self, word: str) -> dict[str, str]:
        """What `descent up` gave a part: read from the process itself, waiting for one that is on its way back."""
        while not (pids := self.pids(word)):
            time.sleep(0.1)
        pairs = Path(f"/proc/{pids[0]}/environ").read_bytes().decode().split("\0")
        return dict(pair.split("=", 1) for pair in pairs if "=" in pair)

    def pids(self, *words: str) -> list[int]:
        """Processes below `descent up` whose command line contains one of the words, oldest number first."""
        return [pid for pid, command in self.processes().items() if any(word in command for word in words)]

    def processes(self) -> dict[int, str]:
        found: dict[int, str] = {}
        parents = {self.process.pid}
        for pid in sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
            try:
                stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if int(stat[1]) in parents and stat[0] != "Z":
                parents.add(pid)
                found[pid] = command
        return found

    def trainers(self) -> list[int]:
        """The forked children of the warm parents."""
        warm = set(self.pids("worker.warm"))
        return [pid for pid in warm if (stat := stat_of(pid)) is not None and int(stat[1]) in warm]


def stat_of(pid: int) -> list[str] | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
