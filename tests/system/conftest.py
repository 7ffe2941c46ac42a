"""The whole service as a user starts it: `descent up` in a state folder of its own, spoken to over HTTP alone."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
ENDED = {"succeeded", "failed", "cancelled"}


@dataclass
class Service:
    process: subprocess.Popen[bytes]
    state: Path
    http: httpx.Client

    def submit(self, spec: dict[str, Any]) -> dict[str, Any]:
        answer = self.http.post("/v1/jobs", json=spec)
        assert answer.status_code == 201, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def job(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = self.http.get(f"/v1/jobs/{job_id}").raise_for_status().json()
        return job

    def ended(self, job_id: str, seconds: float = 90) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while (job := self.job(job_id))["status"] not in ENDED:
            assert time.monotonic() < deadline, f"{job_id} is still {job['status']}: {job['waiting']}"
            time.sleep(0.1)
        return job

    def epochs(self, job_id: str) -> list[dict[str, Any]]:
        answer = self.http.get(f"/v1/jobs/{job_id}/epochs", params={"limit": 10_000})
        rows: list[dict[str, Any]] = answer.raise_for_status().json()["data"]
        return rows

    def weights(self, job_id: str) -> bytes:
        checkpoint = self.job(job_id)["latest_checkpoint"]
        return self.http.get(f"/v1/jobs/{job_id}/checkpoints/{checkpoint}/weights").raise_for_status().content

    def processes(self) -> dict[int, str]:
        """Every process below `descent up`, by pid, with its command line."""
        found: dict[int, str] = {}
        parents = {self.process.pid}
        for pid in sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit()):
            try:
                status = Path(f"/proc/{pid}/status").read_text()
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            parent = int(status.split("PPid:")[1].split()[0])
            if parent in parents and "State:\tZ" not in status:
                parents.add(pid)
                found[pid] = command
        return found


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    state = Path(tempfile.mkdtemp(prefix="descent-test-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DESCENT_")}
    command = [sys.executable, "-m", "descent", "up", "--port", str(port), "--state", str(state), "--workers", "2"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        connection = wait_for_connection(process, state / "connection.json")
        headers = {"Authorization": f"Bearer {connection['api_key']}"}
        with httpx.Client(base_url=connection["url"], headers=headers, timeout=70) as http:
            yield Service(process, state, http)
    finally:
        process.send_signal(signal.SIGTERM)
        output = process.communicate(timeout=60)[0]
        sys.stdout.write(output.decode())
        shutil.rmtree(state, ignore_errors=True)


def wait_for_connection(process: subprocess.Popen[bytes], path: Path) -> dict[str, str]:
    deadline = time.monotonic() + 90
    while not path.exists():
        assert process.poll() is None, process.stdout and process.stdout.read().decode()
        assert time.monotonic() < deadline, "the service did not come up within 90 s"
        time.sleep(0.1)
    connection: dict[str, str] = json.loads(path.read_text())
    return connection
