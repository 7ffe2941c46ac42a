"""The whole service as a user starts it: `descent up` in a state folder of its own, spoken to over HTTP."""

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
from typing import Any, Self

import httpx

ENDED = {"succeeded", "failed", "cancelled"}
START_SECONDS = 90


class Service:
    """A context: up on entering, stopped and removed on leaving."""

    def __init__(self, slots: int = 2, settings: dict[str, str] | None = None) -> None:
        self.slots, self.settings = slots, dict(settings or {})
        self.state = Path(tempfile.mkdtemp(prefix="descent-test-"))
        self.keep = False
        """Leave the state folder behind, for a look."""

    def __enter__(self) -> Self:
        self.log = (self.state / "up.log").open("wb")
        command = [sys.executable, "-m", "descent", "up", "--port", str(free_port()), "--state", str(self.state)]
        command += ["--workers", str(self.slots)]
        clean = {key: value for key, value in os.environ.items() if not key.startswith("DESCENT_")}
        self.process = subprocess.Popen(command, env=clean | self.settings, stdout=self.log, stderr=self.log)
        try:
            connection = self._connection()
        except BaseException:
            self._stop()
            raise
        self.url, self.key = connection["url"], connection["api_key"]
        self.http = httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=70)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.http.close()
        self._stop()
        sys.stdout.write((self.state / "up.log").read_text(errors="replace"))
        if not self.keep:
            shutil.rmtree(self.state, ignore_errors=True)

    def _connection(self) -> dict[str, str]:
        deadline = time.monotonic() + START_SECONDS
        path = self.state / "connection.json"
        while not path.exists():
            said = (self.state / "up.log").read_text(errors="replace")
            assert self.process.poll() is None, said
            assert time.monotonic() < deadline, f"the service did not come up within {START_SECONDS} s:\n{said}"
            time.sleep(0.1)
        connection: dict[str, str] = json.loads(path.read_text())
        return connection

    def _stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(120)
        finally:
            self.log.close()

    def submit(self, spec: dict[str, Any]) -> dict[str, Any]:
        answer = self.http.post("/v1/jobs", json=spec)
        assert answer.status_code == 201, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def get(self, path: str, **parameters: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(path, params=parameters).raise_for_status().json()
        return found

    def post(self, path: str, body: dict[str, Any] | None = None, **headers: str) -> dict[str, Any]:
        made: dict[str, Any] = self.http.post(path, json=body, headers=headers).raise_for_status().json()
        return made

    def job(self, job_id: str) -> dict[str, Any]:
        return self.get(f"/v1/jobs/{job_id}")

    def ended(self, job_id: str, seconds: float = 90) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while (job := self.job(job_id))["status"] not in ENDED:
            assert time.monotonic() < deadline, f"{job_id} is still {job['status']}: {job['waiting']}"
            time.sleep(0.1)
        return job

    def epochs(self, job_id: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.get(f"/v1/jobs/{job_id}/epochs", limit=10_000)["data"]
        return rows

    def weights(self, job_id: str) -> bytes:
        checkpoint = self.job(job_id)["latest_checkpoint"]
        return self.http.get(f"/v1/jobs/{job_id}/checkpoints/{checkpoint}/weights").raise_for_status().content

    def processes(self) -> dict[int, str]:
        """Every process below `descent up`, by pid, with its command line."""
        return below(self.process.pid)

    def pids(self, *words: str) -> list[int]:
        """Processes whose command line contains one of the words, oldest number first."""
        return [pid for pid, command in self.processes().items() if any(word in command for word in words)]

    def trainers(self) -> list[int]:
        """The forked children of the warm parents."""
        warm = set(self.pids("worker.warm"))
        return [pid for pid in warm if (stat := stat_of(pid)) is not None and int(stat[1]) in warm]


def below(*roots: int) -> dict[int, str]:
    """Every living process below these, by pid, with its command line. A child's number may be the smaller one."""
    stats = {pid: stat_of(pid) for pid in sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit())}
    parents = {pid: int(stat[1]) for pid, stat in stats.items() if stat is not None and stat[0] != "Z"}
    found, more = set(roots), True
    while more:
        before = len(found)
        found |= {pid for pid, parent in parents.items() if parent in found}
        more = len(found) > before
    return {pid: command_line(pid) for pid in sorted(found - set(roots))}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def stat_of(pid: int) -> list[str] | None:
    """State, parent, and what follows in /proc/PID/stat."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
