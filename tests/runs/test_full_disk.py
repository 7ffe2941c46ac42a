"""A store on a small file system of its own, filled to the last byte: who needs room waits until there is some."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest

from tests.worker.conftest import Workers, example, submit
from worker.datasets import room

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

MEGABYTES = 16


@pytest.fixture
def store(store: Path) -> Iterator[Path]:
    """The store of the other fixtures, with little room."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "descent-test", str(store)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    if done.returncode:
        pytest.skip(f"a file system of one's own takes root: {done.stderr.strip()}")
    yield store
    subprocess.run(["umount", "--lazy", str(store)], check=True)


def fill(store: Path) -> Path:
    """Until not a byte is left."""
    ballast = store / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    return ballast


def waits(workers: Workers, job_id: str) -> str:
    """The sentence that a job says which waits for room."""

    def reason() -> str | None:
        job = workers.job(job_id)
        waiting = job["waiting"] or {}
        return waiting["detail"] if (job["status"], waiting.get("reason")) == ("queued", "disk_full") else None

    found: str = workers.until(reason)
    return found


def test_a_full_store_makes_jobs_wait_and_harms_no_checkpoint(workers: Workers, store: Path) -> None:
    workers.start()
    spec = example("digits-mlp-muon", 40, checkpoint={"every_epochs": 2})
    alone = submit(spec)
    assert workers.ended(alone)["status"] == "succeeded"
    running = submit(spec)
    workers.trained(running, 6)
    ballast = fill(store)
    assert "No space left on device" in waits(workers, running)
    job = workers.job(running)
    assert (job["failures"], job["error"]) == (0, None)
    for row in workers.rows("SELECT path, sha256 FROM checkpoint WHERE job_id = %s", running):
        assert sha256((store / row["path"]).read_bytes()).hexdigest() == row["sha256"]
    assert not list(store.glob("jobs/*/a*/.tmp-*"))

    workers.rows("UPDATE job SET available_at = now(), waiting = NULL WHERE id = %s RETURNING id", running)
    assert "are free, two checkpoints take" in waits(workers, running)  # nothing is trained in vain
    unprepared = submit(example("digits-mlp-regularised", 5))
    assert "preparing the data" in waits(workers, unprepared)
    assert not list((store / "prepared").glob(".*"))

    ballast.unlink()
    for job_id in (running, unprepared):
        workers.rows("UPDATE job SET available_at = now() WHERE id = %s RETURNING id", job_id)
        job = workers.ended(job_id)
        assert (job["status"], job["failures"], job["waiting"]) == ("succeeded", 0, None)
    assert set(workers.causes(running)) == {"disk_full", "succeeded"}
    assert workers.epochs(running) == workers.epochs(alone)
    assert workers.final_weights(running) == workers.final_weights(alone)


def test_large_data_find_out_before_they_are_written(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(room, "LARGE_BYTES", 2**20)
    with room.Room(store / "prepared") as small, pytest.raises(OSError, match="No space left"):
        small.empty((MEGABYTES * 2**18 + 1,), torch.float32)
    with room.Room(store / "prepared") as small:
        small.empty((2**20,), torch.float32).fill_(1.0)
    assert not list((store / "prepared").iterdir())
