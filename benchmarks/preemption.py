"""What it costs long jobs to make room: `python benchmarks/preemption.py [--slice 15] [--epochs 150] [--shorts 4]`.

Every slot is held by a long job of one project; short jobs of an idle project come one after the other, the first one
as early as it can. Printed: how long each waited; what a change of jobs costs the slot, from the last step before it
to the first step after it, less the short job's own time; the share of that in slices of 300 s; and whether the long
jobs equal, bit for bit, one that was left alone. A step's own time is measured in the same attempt, so that a crowded
machine stretches alike what is compared.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from descent import Client

EXAMPLES = Path(__file__).parents[1] / "examples"
SLOTS = 2
SLICE_SECONDS = 300.0
"""The service's default, for which the cost is shown."""
SAME = ("epoch", "train_loss", "validation_loss", "metrics", "learning_rates", "gradient_norm", "samples")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slice", type=float, default=15.0, help="seconds")
    parser.add_argument("--epochs", type=int, default=150, help="of a long job")
    parser.add_argument("--shorts", type=int, default=4, help="how many short jobs come")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="descent-bench-") as folder:
        process = start(Path(folder), asked.slice)
        try:
            report(asked.slice, *run(Path(folder), asked.epochs, asked.shorts))
        finally:
            process.terminate()
            process.wait()


def start(state: Path, slice_seconds: float) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "descent", "up", "--port", "0", "--state", str(state), "--workers", str(SLOTS)]
    environment = os.environ | {"DESCENT_SLICE_SECONDS": str(slice_seconds)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    while not (state / "connection.json").exists():
        if process.poll() is not None:
            sys.exit("the service did not start")
        time.sleep(0.05)
    return process


def run(state: Path, epochs: int, shorts: int) -> tuple[list[float], list[float], list[str]]:
    """Seconds that short jobs waited, seconds that each change cost, a digest of each long job, of one alone first."""
    with Client(state=state) as client:
        idle = client.create_project("idle")["id"]
        long = spec("digits-cnn-adam", epochs, log_every_steps=1)
        longs = [client.submit(long)["id"] for _ in range(SLOTS)]
        waited, ended = [], []
        with Client(state=state, project=idle) as other:
            for _ in range(shorts):
                until(lambda: all(client.job(job)["activity"] == "training" for job in longs))
                job = other.wait(other.submit(spec("iris-mlp-adam", 100)), check=True)
                waited.append(seconds(job["created_at"], job["started_at"]))
                ended.append(job["id"])
            changes = [attempt for job in ended for attempt in other.attempts(job)]
        for job in longs:
            client.wait(job, check=True)
        lost = [cost for job in longs for cost in costs(client, job, changes)]
        alone = client.wait(client.submit(long), check=True)["id"]
        return waited, lost, [digest(client, job) for job in (alone, *longs)]


def spec(name: str, epochs: int, **training: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text())
    document["training"] |= {"epochs": epochs, **training}
    document["checkpoint"] = {}
    return document


def costs(client: Client, job: str, shorts: list[Any]) -> Iterator[float]:
    """Seconds of each change: the last step to the end, the gaps on both sides of the short job, the start again."""
    attempts = client.attempts(job)
    steps = client.steps(job)
    for before, after in pairwise(attempts):
        assert (before["cause"], after["steps_repeated"]) == ("preempted", 0), before
        last = [at(row["finished_at"]) for row in steps if row["attempt"] == before["attempt"]]
        first = [at(row["finished_at"]) for row in steps if row["attempt"] == after["attempt"]]
        a_step = statistics.median(late - early for early, late in pairwise(first))
        left, back = at(before["ended_at"]), at(after["started_at"])
        between = [short for short in shorts if left <= at(short["started_at"]) and at(short["ended_at"]) <= back]
        used = sum(seconds(short["started_at"], short["ended_at"]) for short in between)
        yield first[0] - last[-1] - a_step - used


def digest(client: Client, job: str) -> str:
    """Of the rows, but for what a clock says, and of the weights."""
    rows = [{key: row[key] for key in SAME} for row in sorted(client.epochs(job), key=lambda row: row["epoch"])]
    return hashlib.sha256(json.dumps(rows).encode() + client.weights(job)).hexdigest()


def report(slice_seconds: float, waited: list[float], lost: list[float], digests: list[str]) -> None:
    print(
        f"{len(lost)} changes, slices of {slice_seconds:g} s, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
    print(f"a short job waited         {' '.join(f'{one:.1f}' for one in waited)} s")
    median = statistics.median(lost)
    print(f"a change cost the slot     {median:.2f} s (median), {max(lost):.2f} s (most)")
    for length in (slice_seconds, SLICE_SECONDS):
        print(f"of a slice of {length:3.0f} s      {median / length:.2%} (median), {max(lost) / length:.2%} (most)")
    print(f"equal to a run left alone  {'yes, bit for bit' if len(set(digests)) == 1 else 'NO'}")
    if len(set(digests)) > 1:
        sys.exit(1)


def until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.1)


def seconds(start: str | None, end: str | None) -> float:
    return at(end) - at(start)


def at(moment: str | None) -> float:
    assert moment is not None
    return datetime.fromisoformat(moment).timestamp()


if __name__ == "__main__":
    main()
