"""`make faults`: a seeded storm over the whole real service, judged from outside.

Starts `descent up` and more worker hosts, records a golden run of every spec, then keeps the slots full while faults
fall on random parts; at the end every accepted job must have ended and the invariants I1–I8 must hold.
"""

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
from collections import Counter, deque
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import httpx
import psycopg

from tests.faults import nemesis
from tests.faults.invariants import INVARIANTS, Accepted, Golden, weights_sha256
from tests.faults.judge import EvidenceOver, Report, clock, report
from tests.faults.system import System
from tests.system.service import ENDED

WAITING = 6
"""So many jobs are ready in the queue at any time, that a slot seldom finds nothing to do."""
BUSY, PATIENCE_SECONDS = 0.75, 20.0
AT_MOST = 2 * WAITING
"""With those that wait for something."""
CANCELS, URGENT, OTHER_PROJECT = 0.02, 9, "other"
SPECS = Path(__file__).parent / "specs"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--faults", type=int, default=100, help="how many faults to inject (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="the storm repeats its choices under the same seed")
    parser.add_argument("--pause", type=float, default=1.5, help="mean seconds between two faults")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="no more faults after so long")
    parser.add_argument("--lease", type=float, default=6.0, help="DESCENT_LEASE_SECONDS of the service under test")
    parser.add_argument("--hosts", type=int, default=4, help="worker hosts, `descent up` being the first")
    parser.add_argument("--slots", type=int, default=1, help="training slots of each host")
    parser.add_argument("--log", type=argparse.FileType("w"), default=sys.stderr, help="where each fault is told of")
    parser.add_argument("--only", action="append", help="inject only this kind of fault (may repeat)")
    arguments = parser.parse_args()
    with System(arguments.hosts, arguments.slots, arguments.lease) as system:
        if system.disk is None:
            print("no small file system without root: the fault fill_disk is left out")
        storm = Storm(system, arguments.seed, arguments.log)
        storm.record_golden_runs()
        signal.signal(signal.SIGTERM, lambda number, frame: storm.over.set())  # no more faults: judge
        storm.rage(arguments.faults, arguments.minutes * 60, arguments.pause, arguments.only)
        system.heal()
        storm.wait_for_the_ends()
        system.keep = not storm.judge()
        return int(system.keep)


class Storm:
    def __init__(self, system: System, seed: int, log: TextIO) -> None:
        self.system, self.seed, self.random, self.log = system, seed, random.Random(seed), log
        self.specs: dict[str, dict[str, Any]] = {
            path.stem: json.loads(path.read_text()) for path in sorted(SPECS.glob("*.json"))
        }
        self.golden: dict[str, Golden] = {}
        self.accepted: list[Accepted] = []
        self.over = threading.Event()
        self.wanted: deque[tuple[str, str, int, str]] = deque()
        """Jobs to be submitted: spec, idempotency key, priority, project."""
        self.injected: Counter[str] = Counter()
        self.journal: list[tuple[float, str]] = []
        self.trained = self.held = self.looks = self.wants = 0
        self.waited: Counter[str] = Counter()
        self.projects = ["", str(system.post("/v1/projects", {"name": OTHER_PROJECT})["id"])]
        own = {"urgent_job": self.want_urgent_job, "idle_project": self.want_job_of_idle_project}
        self.kinds: dict[str, nemesis.Fault] = nemesis.FAULTS | own

    def record_golden_runs(self) -> None:
        for name in self.specs:
            self.want(name)
        self._submit_wanted()
        for job in list(self.accepted):
            ended = self.wait(job.job_id)
            assert ended["status"] == "succeeded", (job.golden, ended["error"])
            with EvidenceOver(self.system, self.accepted) as evidence:
                self.golden[job.golden] = Golden(evidence.rows(job.job_id), weights_sha256(evidence, job.job_id))
        print(f"golden runs: {', '.join(f'{name} ({len(run.rows)} epochs)' for name, run in self.golden.items())}")

    def rage(self, faults: int, seconds: float, pause: float, only: list[str] | None) -> None:
        names = [name for name in self.kinds if not only or name in only]
        weights = [1 if name in nemesis.COSTLY else 4 for name in names]
        filler = threading.Thread(target=self._keep_filling, daemon=True)
        filler.start()
        started, found = time.time(), True
        while (done := sum(self.injected.values())) < faults and time.time() - started < seconds:
            if self.over.wait(self.random.expovariate(1 / pause) if found else 0.05):
                break
            trained, held = self.look_when_busy()
            name = self.random.choices(names, weights)[0]
            found = self.kinds[name](self.system, self.random)
            if found:
                self.injected[name] += 1
                self.journal.append((time.time(), name))
                print(f"{clock(time.time())} {name}: {trained} trained, {held} held", file=self.log, flush=True)
                self.trained, self.held, self.looks = self.trained + trained, self.held + held, self.looks + 1
                if (done + 1) % 20 == 0:
                    took, busy = time.time() - started, self.trained / (self.looks * self.system.all_slots)
                    print(f"{done + 1} faults in {took:.0f} s, {len(self.accepted)} jobs, {busy:.0%} busy", flush=True)
                if (done + 1) % 100 == 0:
                    self.look_through()
            if found and self.random.random() < CANCELS:
                threading.Thread(target=self.cancel_one, daemon=True).start()
        self.over.set()
        filler.join()

    def look_when_busy(self) -> tuple[int, int]:
        """What dies on idle slots shows nothing: a fault waits a while for slots that train."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (seen := self.look())[0] < BUSY * self.system.all_slots and time.monotonic() < deadline:
            time.sleep(0.1)
        return seen

    def look_through(self) -> None:
        """On the way: what has ended must be as it should be already."""
        with suppress(psycopg.Error), EvidenceOver(self.system, list(self.accepted)) as evidence:
            ended = {row[0] for row in evidence.query("SELECT id FROM job WHERE status = 'succeeded'")}
            evidence.accepted = [job for job in evidence.accepted if job.job_id in ended]
            found = [line for name in ("I2", "I3", "I4", "I8") for line in INVARIANTS[name](evidence, self.golden)]
            print(f"looked through {len(ended)} ended jobs: {len(found)} violations {found[:5]}", flush=True)

    def _keep_filling(self) -> None:
        """Beside the faults: a submit may have to wait for what a fault took away."""
        dice = random.Random(self.seed)
        while not self.over.wait(0.5) or self.wanted:
            try:
                self._submit_wanted()
                if not self.over.is_set():
                    self.fill_the_queue(dice)
            except httpx.HTTPError:
                continue  # the API or its database is away

    def fill_the_queue(self, dice: random.Random) -> None:
        """With jobs that are ready: those that wait for a full disk or after a failure do not keep a slot busy."""
        queued = self.system.get("/v1/jobs", status="queued", limit=100)["data"]
        reasons = Counter(job["waiting"]["reason"] for job in queued if job["waiting"])
        self.waited.update(reason for reason in reasons if reason not in ("capacity", "no_worker"))
        ready = reasons["capacity"] + reasons["no_worker"]
        for _ in range(min(WAITING - ready, AT_MOST - len(queued))):
            self.want(dice.choice(list(self.specs)))
        self._submit_wanted()

    def look(self) -> tuple[int, int]:
        """Just before a fault: living trainers, and running jobs as the database tells it (none while it is away)."""
        trainers = self.system.trainers()
        for pid in trainers:  # on few cores, what died comes back while the others train
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, pid, 19)
        trained = min(self.system.all_slots, len(trainers))
        held = 0
        with suppress(psycopg.Error), psycopg.connect(self.system.database_url, connect_timeout=2) as connection:
            held = connection.execute("SELECT count(*) FROM job WHERE lease_until IS NOT NULL").fetchall()[0][0]
        return trained, min(self.system.all_slots, held)

    def want_urgent_job(self, system: System, dice: random.Random) -> bool:
        """With all slots full: the least urgent of the running jobs makes room."""
        full = len(self.system.trainers()) == self.system.all_slots
        if full:
            self.want(dice.choice(list(self.specs)), priority=URGENT)
        return full

    def want_job_of_idle_project(self, system: System, dice: random.Random) -> bool:
        """A project with nothing running asks for its share."""
        full = len(self.system.trainers()) == self.system.all_slots
        if full:
            self.want(dice.choice(list(self.specs)), project=self.projects[1])
        return full

    def cancel_one(self) -> None:
        try:
            running = {job["id"] for job in self.system.get("/v1/jobs", status="running", limit=20)["data"]}
            index, job = next((i, job) for i, job in enumerate(self.accepted) if job.job_id in running)
            started = time.monotonic()
            self.system.post(f"/v1/jobs/{job.job_id}/cancel")
            while self.system.get(f"/v1/jobs/{job.job_id}")["status"] == "cancelling":
                time.sleep(0.1)
        except (StopIteration, httpx.HTTPError):
            return  # it ended first, or the API went away under us: the checks treat it as not cancelled unless it is
        self.accepted[index] = Accepted(job.job_id, job.golden, time.monotonic() - started, was_cancelled=True)

    def want(self, name: str, priority: int = 0, project: str = "") -> None:
        self.wants += 1
        self.wanted.append((name, f"storm-{self.wants}", priority, project))

    def _submit_wanted(self) -> None:
        """Under idempotency keys: what had no answer is asked for again."""
        while self.wanted:
            name, key, priority, project = self.wanted[0]
            spec = self.specs[name] | ({"resources": {"priority": priority}} if priority else {})
            headers = {"Idempotency-Key": key} | ({"Descent-Project": project} if project else {})
            job = self.system.post("/v1/jobs", spec, **headers)
            self.accepted.append(Accepted(str(job["id"]), name))
            self.wanted.popleft()

    def wait(self, job_id: str, seconds: float = 600) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        job: dict[str, Any] = {"status": "unknown"}
        while job["status"] not in ENDED and time.monotonic() < deadline:
            with suppress(httpx.HTTPError):
                job = self._find(job_id)
            time.sleep(0.1)
        return job

    def _find(self, job_id: str) -> dict[str, Any]:
        """In either project."""
        for project in self.projects:
            headers = {"Descent-Project": project} if project else {}
            answer = self.system.http.get(f"/v1/jobs/{job_id}", headers=headers)
            if answer.status_code != 404:
                break
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    def wait_for_the_ends(self) -> None:
        print(f"the storm is over: waiting for {len(self.accepted)} jobs to end", flush=True)
        for index, job in enumerate(self.accepted):
            ended = self.wait(job.job_id)
            if ended["status"] == "cancelled":
                self.accepted[index] = Accepted(job.job_id, job.golden, job.cancel_seconds, was_cancelled=True)

    def judge(self) -> bool:
        """Print what happened; True without violations."""
        slots = self.looks * self.system.all_slots or 1
        with EvidenceOver(self.system, self.accepted) as evidence:
            return report(
                evidence,
                Report(
                    self.seed, self.golden, self.injected, self.journal, self.trained / slots, self.held / slots,
                    self.waited,
                ),
            )  # fmt: skip


if __name__ == "__main__":
    try:
        sys.exit(main())
    except psycopg.Error as error:
        sys.exit(f"the database is gone: {error}")
