"""The storm's last word: what was injected, what became of the attempts, and every violation with its circumstances."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

from tests.faults.invariants import Accepted, Evidence, Golden, violations
from tests.faults.system import System

SHOWN = 50
BEFORE_SECONDS = 15.0


@dataclass(frozen=True)
class Report:
    seed: int
    golden: Mapping[str, Golden]
    injected: Counter[str]
    journal: list[tuple[float, str]]
    """Every fault with its time."""
    trained: float
    held: float
    """The share of the slots with a living trainer, and with a running job, before each fault."""
    waited: Counter[str]


class EvidenceOver:
    """The evidence of a running system, over a connection of its own."""

    def __init__(self, system: System, accepted: list[Accepted]) -> None:
        self.system, self.accepted = system, accepted

    def __enter__(self) -> Evidence:
        self.connection = psycopg.connect(self.system.database_url)
        return Evidence(self.connection, self.system.store, self.accepted, self.system.damaged)

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def report(evidence: Evidence, storm: Report) -> bool:
    """Print it all; True without violations."""
    found = violations(evidence, storm.golden)
    attempts = evidence.query("SELECT coalesce(cause, 'open'), count(*) FROM attempt GROUP BY 1 ORDER BY 2 DESC")
    verified = evidence.query("SELECT count(*) FROM event WHERE type = 'resume_verified'")[0][0]
    statuses = evidence.query("SELECT status, count(*) FROM job GROUP BY 1 ORDER BY 2 DESC")
    injected = sum(storm.injected.values())
    print(f"\nseed               {storm.seed}")
    print(f"jobs accepted      {len(evidence.accepted)}: " + listed(statuses))
    print(
        f"faults injected    {injected}: "
        + ", ".join(f"{count} {name}" for name, count in storm.injected.most_common())
    )
    print("attempts ended as  " + listed(attempts))
    print(f"resumes verified   {verified}")
    print(
        "seen waiting for   " + (", ".join(f"{reason} {count} times" for reason, count in storm.waited.items()) or "-")
    )
    print(f"occupancy          {storm.trained:.0%} of the slots had a living trainer before each fault")
    print(f"                   {storm.held:.0%} were held by a running job")
    print(f"violations         {len(found)}")
    for line in found[:SHOWN]:
        print("  " + line)
        for detail in circumstances(evidence, storm, line):
            print("      " + detail)
    if not found and injected:
        print(f"95% upper bound    3/{injected} = {3 / injected:.2%} violations a fault (rule of three)")
    return not found


def listed(rows: list[tuple[Any, ...]]) -> str:
    return ", ".join(f"{count} {name}" for name, count in rows)


def circumstances(evidence: Evidence, storm: Report, line: str) -> list[str]:
    """The attempts of the job that a violation names, and the faults shortly before each of their ends."""
    job_id = next((job.job_id for job in evidence.accepted if job.job_id in line), None)
    if job_id is None:
        return []
    rows = evidence.query(
        "SELECT attempt, host, cause, detail, extract(epoch FROM started_at)::float8,"
        " extract(epoch FROM ended_at)::float8 FROM attempt WHERE job_id = %s ORDER BY attempt",
        job_id,
    )
    found = []
    for attempt, host, cause, detail, started, ended in rows:
        faults = [f"{name} {clock(at)}" for at, name in storm.journal if 0 <= (ended or started) - at < BEFORE_SECONDS]
        found.append(f"attempt {attempt} on {host} {clock(started)} to {clock(ended)}: {cause} ({detail}); {faults}")
    return found


def clock(at: float | None) -> str:
    return "" if at is None else f"{datetime.fromtimestamp(at, UTC):%H:%M:%S.%f}"[:-4]
