"""I1–I8 of a service that lived through faults, read from its database, its store and the rows of undisturbed runs.

Each check returns the violations it found, in words. None of them knows how the service is built.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from app.jobs.lifecycle import ALLOWED, ENDED

SAME = ("epoch", "phase", "train_loss", "validation_loss", "metrics", "learning_rates", "gradient_norm", "samples")
ORPHAN_SECONDS = 3600
CANCEL_SECONDS = 15


@dataclass(frozen=True)
class Golden:
    """What an undisturbed run of a spec recorded: the bits of its rows and of its final weights."""

    rows: list[tuple[Any, ...]]
    weights_sha256: str


@dataclass(frozen=True)
class Accepted:
    """A job that got its 201, which golden run it must equal, and when (seconds) its cancel was asked and seen done."""

    job_id: str
    golden: str
    cancel_seconds: float | None = None
    was_cancelled: bool = False


class Evidence:
    """Everything the checks look at."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        store: Path,
        accepted: Iterable[Accepted],
        damaged: Collection[str] = (),
    ) -> None:
        self.connection, self.store, self.accepted = connection, store, list(accepted)
        self.damaged = damaged  # paths of checkpoints that a fault changed: they must not be used, and cannot be whole

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, values).fetchall()

    def rows(self, job_id: str) -> list[tuple[Any, ...]]:
        columns = ", ".join(SAME)
        rows = self.query(f"SELECT {columns} FROM epoch WHERE job_id = %s ORDER BY epoch", job_id)
        return [tuple(bits(value) for value in row) for row in rows]


def bits(value: Any) -> Any:
    """A value that compares by its bits: NaN equals NaN, and 0.0 is not -0.0."""
    if isinstance(value, float):
        return value.hex()
    if isinstance(value, list):
        return tuple(bits(item) for item in value)
    if isinstance(value, dict):
        return tuple((key, bits(item)) for key, item in sorted(value.items()))
    return value


def i1_every_accepted_job_ended(evidence: Evidence, golden: Mapping[str, Golden]) -> list[str]:
    """And there is no other: a submit repeated under its idempotency key is one job."""
    statuses = dict(evidence.query("SELECT id, status FROM job"))
    accepted = {job.job_id for job in evidence.accepted}
    return [
        f"{job.job_id} is {statuses.get(job.job_id, 'gone')}"
        for job in evidence.accepted
        if statuses.get(job.job_id) not in ENDED or (statuses[job.job_id] != "succeeded" and not job.was_cancelled)
    ] + [f"{job_id} was accepted twice, or never" for job_id in statuses if job_id not in accepted]


def i2_every_epoch_once(evidence: Evidence, golden: Mapping[str, Golden]) -> list[str]:
    found = []
    for job in evidence.accepted:
        epochs = [
            row[0] for row in evidence.query("SELECT epoch FROM epoch WHERE job_id = %s ORDER BY seq", job.job_id)
        ]
        wanted = len(epochs) if job.was_cancelled else len(golden[job.golden].rows)
        if sorted(epochs) != list(range(1, wanted + 1)):
            found.append(f"{job.job_id} has epochs {epochs[:5]}…{epochs[-3:]} instead of 1..{wanted}")
    return found


def i3_rows_and_weights_equal_the_golden_run(evidence: Evidence, golden: Mapping[str, Golden]) -> list[str]:
    found = []
    for job in evidence.accepted:
        rows, expected = evidence.rows(job.job_id), golden[job.golden].rows
        different = [row[0] for row, other in zip(rows, expected, strict=False) if row != other]
        if different:
            found.append(f"{job.job_id} ({job.golden}): first different epoch {different[0]}")
        elif (
            not job.was_cancelled and (sha := weights_sha256(evidence, job.job_id)) != golden[job.golden].weights_sha256
        ):
            found.append(f"{job.job_id} ({job.golden}): final weights {sha[:12]} differ")
    return found


def i4_attempts_grow_with_the_commits(evidence: Evidence, golden: Mapping[str, Golden]) -> list[str]:
    """A seq is handed out in the order of commits, so no row may carry an older attempt than one before it."""
    tables = " UNION ALL ".join(
        f"SELECT job_id, seq, attempt FROM {table}" for table in ("epoch", "step", "checkpoint")
    )
    return [
        f"{job_id}: seq {seq} was written by attempt {attempt} after attempt {before}"
        for job_id, seq, attempt, before in evidence.query(
            f"SELECT * FROM (SELECT job_id, seq, attempt, max(attempt) OVER (PARTITION BY job_id ORDER BY seq)"
            f" AS newest FROM ({tables}) AS every) AS written WHERE attempt < newest"
        )
    ]


def i5_every_checkpoint_has_its_whole_file(evidence: Evidence, golden: Mapping[str, Golden]) -> list[str]:
    found = []
    for checkpoint_id, path, size, sha256 in evidence.query("SELECT id, path, bytes, sha256 FROM checkpoint"):
        file = evidence.store / path
        if path in evidence.damaged:
            continue
        if not file.exists():
            found.append(f"{checkpoint_id}: {path} is missing")
        elif file.stat().st_size != size or hashlib.sha256(file.read_bytes()).hexdigest() != sha256:
            found.append(f"{checkpoint_id}: {path} is not the file that was recorded")
    return found


def i6_no_old_orphans(evidence: Evidence, golden: Mapping[str, Golden]) -> list[str]:
    known = {row[0] for row in evidence.query("SELECT path FROM checkpoint")}
    now = evidence.query("SELECT extract(epoch FROM now())::float8")[0][0]
    return [
        f"{file.relative_to(evidence.store)} belongs to no checkpoint"
        for file in (evidence.store / "jobs").rglob("*")
        if file.is_file()
        and str(file.relative_to(evidence.store)) not in known
        and now - file.stat().st_mtime > ORPHAN_SECONDS
    ]


def i7_cancels_are_quick(evidence: Evidence, golden: Mapping[str, Golden]) -> list[str]:
    return [
        f"{job.job_id} was cancelled after {job.cancel_seconds:.1f} s"
        for job in evidence.accepted
        if job.cancel_seconds is not None and job.cancel_seconds > CANCEL_SECONDS
    ]


MOVES = {
    "queued": "queued", "started": "running", "resumed": "running", "pausing": "pausing", "paused": "paused",
    "cancelling": "cancelling", "cancelled": "cancelled", "preempted": "queued", "succeeded": "succeeded",
    "failed": "failed", "diverged": "failed",
}  # fmt: skip
"""The events that tell of a move, and where it leads; `interrupted` leads to where the job was asked to go."""
INTERRUPTED = {"pausing": "paused", "cancelling": "cancelled"}


def i8_moves_are_legal(evidence: Evidence, golden: Mapping[str, Golden]) -> list[str]:
    """By the journal: queued first, nothing follows an end but a new queueing, and attempts start one by one.

    A claim is told of once the trainer has started, so what may follow `running` may follow `queued`.
    """
    found = []
    for job in evidence.accepted:
        status, attempt = "", 0
        for type, number in evidence.query(
            "SELECT type, attempt FROM event WHERE job_id = %s ORDER BY seq", job.job_id
        ):
            new = INTERRUPTED.get(status, "queued") if type == "interrupted" else MOVES.get(type)
            if new is None:
                continue
            allowed = {"queued"} if not status else set(ALLOWED[status])  # type: ignore[index]
            if status == "queued":
                allowed |= ALLOWED["running"] | {"queued"}
            if new not in allowed:
                found.append(f"{job.job_id}: {status or 'nothing'} -> {new} ({type})")
            if new == "running" and number <= attempt:
                found.append(f"{job.job_id}: attempt {number} started after attempt {attempt}")
            status, attempt = new, max(attempt, number if new == "running" else 0)
    return found


def weights_sha256(evidence: Evidence, job_id: str) -> str:
    """Of the tensors `model.*` of the newest checkpoint, name by name."""
    from safetensors import safe_open

    row = evidence.query(
        "SELECT c.path FROM job j JOIN checkpoint c ON c.id = j.latest_checkpoint_id WHERE j.id = %s", job_id
    )
    if not row or not (evidence.store / row[0][0]).exists():
        return "no checkpoint"
    digest = hashlib.sha256()
    with safe_open(evidence.store / row[0][0], "pt") as file:
        for name in sorted(key for key in file.keys() if key.startswith("model.")):  # noqa: SIM118
            digest.update(name.encode() + file.get_tensor(name).numpy().tobytes())
    return digest.hexdigest()


INVARIANTS = {
    "I1": i1_every_accepted_job_ended,
    "I2": i2_every_epoch_once,
    "I3": i3_rows_and_weights_equal_the_golden_run,
    "I4": i4_attempts_grow_with_the_commits,
    "I5": i5_every_checkpoint_has_its_whole_file,
    "I6": i6_no_old_orphans,
    "I7": i7_cancels_are_quick,
    "I8": i8_moves_are_legal,
}


def violations(evidence: Evidence, golden: Mapping[str, Golden]) -> list[str]:
    """All that was found, each behind its invariant's name."""
    return [f"{name}: {found}" for name, check in INVARIANTS.items() for found in check(evidence, golden)]
