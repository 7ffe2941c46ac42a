"""The checker has teeth: a sound history has no violation, and each kind of damage is found under its own name."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import torch
from safetensors.torch import save_file

from tests.faults.invariants import Accepted, Evidence, Golden, violations, weights_sha256

JOB = "job_a"
EPOCHS = 4


@pytest.fixture
def evidence(database: str, tmp_path: Path) -> Iterator[Evidence]:
    with psycopg.connect(database, autocommit=True) as connection:
        tell_history(connection, tmp_path)
        yield Evidence(connection, tmp_path, [Accepted(JOB, "golden")])


@pytest.fixture
def golden(evidence: Evidence) -> dict[str, Golden]:
    return {"golden": Golden(evidence.rows(JOB), weights_sha256(evidence, JOB))}


def tell_history(connection: psycopg.Connection[Any], store: Path) -> None:
    """Attempt 1 trained two epochs and was lost, attempt 2 went on to the end."""
    connection.execute("INSERT INTO project (id, name) VALUES ('prj_a', 'a')")
    connection.execute(
        "INSERT INTO job (id, project_id, spec, resolved_spec, spec_sha256, seed, priority, queue, labels, status,"
        " version, last_seq, attempt, failures, epochs, progress, latest_checkpoint_id)"
        " VALUES (%s, 'prj_a', '{}', '{}', '', 0, 0, 'cpu', '{}', 'succeeded', 1, 9, 2, 0, %s, '{}', 'ckpt_a')",
        (JOB, EPOCHS),
    )
    events = [(1, "queued", 0), (2, "started", 1), (5, "interrupted", 1), (6, "resumed", 2), (10, "succeeded", 2)]
    for seq, type, attempt in events:
        connection.execute(
            "INSERT INTO event (job_id, seq, project_id, type, level, message, data, attempt)"
            " VALUES (%s, %s, 'prj_a', %s, 'info', '', '{}', %s)",
            (JOB, seq, type, attempt),
        )
    for epoch, (seq, attempt) in enumerate([(3, 1), (4, 1), (7, 2), (8, 2)], start=1):
        connection.execute(
            "INSERT INTO epoch (job_id, epoch, project_id, seq, attempt, phase, train_loss, metrics, learning_rates,"
            " samples, duration_seconds, samples_per_second)"
            " VALUES (%s, %s, 'prj_a', %s, %s, 0, %s, '{}', '{0.1}', 10, 1, 10)",
            (JOB, epoch, seq, attempt, 1 / epoch),
        )
    path = store / "jobs" / JOB / "a2" / "final.safetensors"
    path.parent.mkdir(parents=True)
    save_file({"model.weight": torch.ones(3)}, path)
    connection.execute(
        "INSERT INTO checkpoint (id, job_id, project_id, seq, epoch, step, attempt, path, bytes, sha256, values,"
        " reason, pinned) VALUES ('ckpt_a', %s, 'prj_a', 9, %s, 40, 2, %s, %s, %s, '{}', 'final', false)",
        (JOB, EPOCHS, str(path.relative_to(store)), path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()),
    )


def test_a_sound_history_has_no_violation(evidence: Evidence, golden: dict[str, Golden]) -> None:
    assert violations(evidence, golden) == []


def forget_the_end(evidence: Evidence) -> None:
    evidence.connection.execute("UPDATE job SET status = 'queued'")


def double_the_job(evidence: Evidence) -> None:
    evidence.accepted.clear()


def lose_a_row(evidence: Evidence) -> None:
    evidence.connection.execute("DELETE FROM epoch WHERE epoch = 2")


def change_the_last_bit(evidence: Evidence) -> None:
    evidence.connection.execute("UPDATE epoch SET train_loss = train_loss + 2.3e-16 WHERE epoch = 3")


def change_the_weights(evidence: Evidence) -> None:
    path = next((evidence.store / "jobs").rglob("*.safetensors"))
    save_file({"model.weight": torch.full((3,), 1.0000001)}, path)


def let_a_zombie_write(evidence: Evidence) -> None:
    evidence.connection.execute("UPDATE epoch SET attempt = 1 WHERE epoch = 4")


def lose_a_file(evidence: Evidence) -> None:
    next((evidence.store / "jobs").rglob("*.safetensors")).unlink()


def leave_an_orphan(evidence: Evidence) -> None:
    orphan = evidence.store / "jobs" / JOB / "a1" / "orphan.safetensors"
    orphan.parent.mkdir()
    orphan.write_bytes(b"left behind")
    os.utime(orphan, (1e9, 1e9))


def cancel_slowly(evidence: Evidence) -> None:
    evidence.accepted[0] = replace(evidence.accepted[0], cancel_seconds=16.0)


def move_after_the_end(evidence: Evidence) -> None:
    data = json.dumps({})
    evidence.connection.execute(
        "INSERT INTO event (job_id, seq, project_id, type, level, message, data, attempt)"
        " VALUES (%s, 11, 'prj_a', 'paused', 'info', '', %s, 2)",
        (JOB, data),
    )


@pytest.mark.parametrize(
    ("invariant", "damage"),
    [
        ("I1", forget_the_end),
        ("I1", double_the_job),
        ("I2", lose_a_row),
        ("I3", change_the_last_bit),
        ("I3", change_the_weights),
        ("I4", let_a_zombie_write),
        ("I5", lose_a_file),
        ("I6", leave_an_orphan),
        ("I7", cancel_slowly),
        ("I8", move_after_the_end),
    ],
)
def test_damage_is_found(
    evidence: Evidence, golden: dict[str, Golden], invariant: str, damage: Callable[[Evidence], None]
) -> None:
    damage(evidence)
    found = violations(evidence, golden)
    assert any(line.startswith(f"{invariant}:") for line in found), found
