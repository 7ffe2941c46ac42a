"""From a kill to the next epoch, as somebody outside sees it: each kind of process, and a whole host.

`python -m tests.faults.recovery --lease 60 --times 3`: promised are 10 s for a process, the lease and 15 s for a host.
"""

import argparse
import json
import os
import signal
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import psycopg

from tests.faults.storm import SPECS
from tests.faults.system import System
from tests.system.service import Service

VICTIMS: dict[str, Callable[[System], list[int]]] = {
    "trainer": lambda system: [pid for pid in system.trainers() if pid in Service.processes(system)],
    "warm parent": lambda system: [min(pids_at_home(system, "worker.warm"))],
    "Celery process": lambda system: pids_at_home(system, "worker.celery_main --queue cpu"),
    "worker": lambda system: pids_at_home(system, "worker.main --slots"),
    "Postgres": lambda system: [min(pids_at_home(system, "/postgres -D"))],
    "Redis": lambda system: pids_at_home(system, "redis-server"),
    "API": lambda system: pids_at_home(system, "uvicorn"),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lease", type=float, default=60.0)
    parser.add_argument("--times", type=int, default=3, help="for each kind of process (0: the host alone)")
    arguments = parser.parse_args()
    with System(hosts=2, slots_each=1, lease_seconds=arguments.lease) as system:
        jobs = {host_of(system, job_id): job_id for job_id in [submit(system), submit(system)]}
        away = system.hosts[0]
        home = next(job_id for host, job_id in jobs.items() if host != away.name)
        for name, victims in VICTIMS.items() if arguments.times else ():
            tell(name, [until_the_next_epoch(system, home, victims(system)) for _ in range(arguments.times)])
        system.post(f"/v1/jobs/{home}/cancel")
        away.keep_down()
        seconds = until_the_next_epoch(system, jobs[away.name], list(away.processes()))
        tell(f"a whole host (lease {arguments.lease:.0f} s)", [seconds])


def tell(name: str, seconds: list[float]) -> None:
    print(
        f"{name:28} median {statistics.median(seconds):5.1f} s, longest {max(seconds):5.1f} s, of {len(seconds)}",
        flush=True,
    )


def pids_at_home(system: System, word: str) -> list[int]:
    """Of the host of `descent up`."""
    return [pid for pid, command in Service.processes(system).items() if word in command]


def submit(system: System) -> str:
    spec: dict[str, Any] = json.loads((SPECS / "cnn-adam-cosine.json").read_text())
    spec["training"]["epochs"], spec["checkpoint"] = 100_000, {"every_epochs": 1}
    return str(system.submit(spec)["id"])


def host_of(system: System, job_id: str) -> str:
    """Once it trains."""
    epoch(system, job_id, 3)
    with psycopg.connect(system.database_url) as connection:
        query = "SELECT host FROM attempt WHERE job_id = %s ORDER BY attempt DESC LIMIT 1"
        return str(connection.execute(query, (job_id,)).fetchall()[0][0])


def until_the_next_epoch(system: System, job_id: str, victims: list[int]) -> float:
    """Kill them at once. The next epoch is one that had no row before the kill."""
    started = time.monotonic()
    before = epoch(system, job_id)
    for pid in victims:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    epoch(system, job_id, before + 2)  # the one in flight may have been committed as the kill came
    took = time.monotonic() - started
    time.sleep(6)  # a part that dies within 5 s of its start is started again more slowly
    return took


def epoch(system: System, job_id: str, at_least: int = 0) -> int:
    """The number of its epochs with rows, once there are so many; an API that is away is asked again."""
    while True:
        with suppress(httpx.HTTPError):
            found: int = system.job(job_id)["progress"]["epoch"]
            if found >= at_least:
                return found
        time.sleep(0.05)


if __name__ == "__main__":
    main()
