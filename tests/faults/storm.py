"""`make faults`: a seeded storm over the whole real service, judged from outside.

Starts `descent up`, records a golden run of every spec, then keeps the slots full while faults fall on random parts;
at the end every accepted job must have ended and the invariants I1–I8 must hold. Prints faults, violations and 3/N.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import psycopg

from tests.faults import nemesis
from tests.faults.invariants import Accepted, Evidence, Golden, violations, weights_sha256
from tests.faults.system import System

SLOTS = 2
WAITING = 4
"""So many jobs wait in the queue at any time, that a fault seldom meets an idle slot."""
SPECS = Path(__file__).parent / "specs"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--faults", type=int, default=100, help="how many faults to inject (default 100)")
    parser.add_argument("--seed", type=int, default=0, help="the storm repeats its choices under the same seed")
    parser.add_argument("--pause", type=float, default=1.0, help="mean seconds between two faults")
    parser.add_argument("--lease", type=float, default=6.0, help="DESCENT_LEASE_SECONDS of the service under test")
    parser.add_argument("--only", action="append", help="inject only this kind of fault (may repeat)")
    arguments = parser.parse_args()
    with System(SLOTS, arguments.lease) as system:
        storm = Storm(system, arguments.seed)
        storm.record_golden_runs()
        storm.rage(arguments.faults, arguments.pause, arguments.only)
        storm.wait_for_the_ends()
        return storm.judge()


class Storm:
    def __init__(self, system: System, seed: int) -> None:
        self.system, self.random = system, random.Random(seed)
        self.specs: dict[str, dict[str, Any]] = {
            path.stem: json.loads(path.read_text()) for path in sorted(SPECS.glob("*.json"))
        }
        self.golden: dict[str, Golden] = {}
        self.accepted: list[Accepted] = []
        self.injected: Counter[str] = Counter()
        self.busy = self.looks = 0

    def record_golden_runs(self) -> None:
        jobs = {name: self.submit(spec) for name, spec in self.specs.items()}
        for name, job_id in jobs.items():
            job = self.wait(job_id)
            assert job["status"] == "succeeded", (name, job["error"])
            with self.evidence() as evidence:
                self.golden[name] = Golden(evidence.rows(job_id), weights_sha256(evidence, job_id))
        print(f"golden runs: {', '.join(f'{name} ({len(run.rows)} epochs)' for name, run in self.golden.items())}")

    def rage(self, faults: int, pause: float, only: list[str] | None) -> None:
        kinds = {name: fault for name, fault in nemesis.FAULTS.items() if not only or name in only}
        started = time.monotonic()
        while sum(self.injected.values()) < faults:
            self.fill_the_queue()
            time.sleep(self.random.expovariate(1 / pause))
            self.look()
            name = self.random.choice(list(kinds))
            if kinds[name](self.system, self.random):
                self.injected[name] += 1
            if self.random.random() < 0.03:
                self.cancel_one()
            done = sum(self.injected.values())
            if done % 20 == 0:
                print(f"{done} faults in {time.monotonic() - started:.0f} s, {len(self.accepted)} jobs", flush=True)

    def fill_the_queue(self) -> None:
        try:
            waiting = self.system.get("/v1/jobs", status="queued", limit=WAITING)["data"]
            for _ in range(WAITING - len(waiting)):
                name = self.random.choice(list(self.specs))
                self.accepted.append(Accepted(self.submit(self.specs[name]), name))
        except httpx.HTTPError:
            return  # the API or its database is away: nothing was accepted

    def look(self) -> None:
        """Occupancy, measured just before each fault."""
        try:
            self.busy += min(SLOTS, len(self.system.get("/v1/jobs", status="running", limit=SLOTS)["data"]))
            self.looks += SLOTS
        except httpx.HTTPError:
            return

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

    def submit(self, spec: dict[str, Any]) -> str:
        return str(self.system.post("/v1/jobs", spec)["id"])

    def wait(self, job_id: str, seconds: float = 600) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                job = self.system.get(f"/v1/jobs/{job_id}")
            except httpx.HTTPError:
                job = {"finished_at": None}
            if job["finished_at"] is not None:
                return job
            time.sleep(0.2)
        return job

    def wait_for_the_ends(self) -> None:
        print(f"the storm is over: waiting for {len(self.accepted)} jobs to end", flush=True)
        for index, job in enumerate(self.accepted):
            ended = self.wait(job.job_id)
            if ended.get("status") == "cancelled":
                self.accepted[index] = Accepted(job.job_id, job.golden, job.cancel_seconds, was_cancelled=True)

    def evidence(self) -> "EvidenceOver":
        return EvidenceOver(self.system, self.accepted)

    def judge(self) -> int:
        with self.evidence() as evidence:
            found = violations(evidence, self.golden)
            attempts = evidence.query("SELECT cause, count(*) FROM attempt GROUP BY 1 ORDER BY 2 DESC")
            resumed = evidence.query("SELECT count(*) FROM event WHERE type = 'resume_verified'")[0][0]
        injected = sum(self.injected.values())
        print(f"\njobs accepted      {len(self.accepted)}")
        print(f"faults injected    {injected}: " + ", ".join(f"{n} {k}" for k, n in self.injected.most_common()))
        print("attempts ended as  " + ", ".join(f"{count} {cause}" for cause, count in attempts))
        print(f"resumes verified   {resumed}")
        print(f"occupancy          {self.busy / max(1, self.looks):.0%} of the slots before each fault")
        print(f"violations         {len(found)}")
        for line in found[:50]:
            print("  " + line)
        if not found:
            print(f"95% upper bound    3/{injected} = {3 / max(1, injected):.2%} violations a fault (rule of three)")
        return 1 if found else 0


class EvidenceOver:
    """The evidence of a running system, over a connection of its own."""

    def __init__(self, system: System, accepted: list[Accepted]) -> None:
        self.system, self.accepted = system, accepted

    def __enter__(self) -> Evidence:
        self.connection = psycopg.connect(self.system.database_url())
        return Evidence(self.connection, self.system.store, self.accepted, self.system.damaged)

    def __exit__(self, *_: object) -> None:
        self.connection.close()


if __name__ == "__main__":
    sys.exit(main())
