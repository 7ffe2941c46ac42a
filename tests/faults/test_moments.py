"""One directed `kill -9` at each moment of the fault matrix: rows and weights are those of the run left alone."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.jobs import moves
from app.local import first_key
from tests.runs.conftest import act
from tests.system.service import free_port
from tests.worker.conftest import Workers, example, submit, workers

__all__ = ["act", "workers"]

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

MOMENTS = {
    "m2 published, not claimed": ["before_claim"],
    "m3 claimed, the answer lost": ["after_claim"],
    "m4 the trainer started, before its first batch": ["trainer_started"],
    "m5 in a batch": ["step"],
    "m6 after the optimizer's step, before the scheduler's": ["after_optimizer_step"],
    "m7 in the checkpoint's write": ["mid_checkpoint_write"],
    "m8 synced, not renamed": ["after_tmp_write"],
    "m9 renamed, no row yet": ["after_rename", "after_checkpoint_report"],
    "m10 the transaction sent": ["before_commit"],
    "m11 after the epoch's commit": ["after_epoch_row", "after_commit"],
    "m12 all epochs trained, the job not ended": ["before_end"],
    "m13 in the validation": ["during_validation"],
    "m14 rows deleted by the retention, their files not yet": ["before_unlink"],
}
"""m1, m2 by the API, and m15 have tests of their own below."""
NOTHING_LOST = {"before_claim", "after_commit"}
"""The job may well end in its first attempt."""
INJECT = Path(__file__).parent / "inject"


def spec(epochs: int = 6, **checkpoint: int) -> dict[str, Any]:
    return example("iris-mlp-adam", epochs, checkpoint=checkpoint or {"every_epochs": 1})


@pytest.fixture
def failpoints(workers: Workers, tmp_path: Path) -> Path:
    workers.environment |= {"DESCENT_FAILPOINTS": str(tmp_path), "DESCENT_LEASE_SECONDS": "2"}
    return tmp_path


def is_as(workers: Workers, alone: str, job_id: str) -> bool:
    same_rows = workers.epochs(job_id) == workers.epochs(alone)
    return same_rows and workers.final_weights(job_id) == workers.final_weights(alone)


def test_a_kill_at_each_moment_changes_nothing(workers: Workers, failpoints: Path) -> None:
    workers.start()
    alone = submit(spec())
    assert workers.ended(alone)["status"] == "succeeded"
    for moment in [name for names in MOMENTS.values() for name in names]:
        (failpoints / moment).touch()
        job_id = submit(spec())
        job = workers.ended(job_id)
        assert not (failpoints / moment).exists(), f"nobody came to {moment}"
        assert (job["status"], job["attempt"] > 1 or moment in NOTHING_LOST) == ("succeeded", True), moment
        assert is_as(workers, alone, job_id), moment


def test_a_kill_while_a_request_is_obeyed(workers: Workers, failpoints: Path, act: Callable[..., Any]) -> None:
    """m15: the trainer dies as it saves for a pause, the supervisor as it tells of a cancel."""
    workers.start()
    alone, job_id = [submit(spec(300, every_epochs=1000)) for _ in range(2)]
    assert workers.ended(alone)["status"] == "succeeded"
    workers.trained(job_id, 5)
    (failpoints / "mid_checkpoint_write").touch()
    act(moves.perform, job_id, moves.pause)
    assert workers.ended(job_id)["status"] == "paused"
    assert not (failpoints / "mid_checkpoint_write").exists()
    act(moves.perform, job_id, moves.resume)
    workers.until(lambda: workers.job(job_id)["status"] != "paused")
    assert workers.ended(job_id)["status"] == "succeeded"
    assert is_as(workers, alone, job_id)
    another = submit(spec(3000, every_epochs=1000))
    workers.trained(another, 5)
    act(moves.perform, another, moves.cancel)
    (failpoints / "before_commit").touch()
    assert workers.ended(another)["status"] == "cancelled"


class Api:
    """The API in a process of its own, which dies where it rings."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment | {"PYTHONPATH": str(INJECT), "FAULTS_INJECT": "ring"}
        self._headers = {"Authorization": f"Bearer {first_key.create('a test', ['read', 'write'], None)}"}
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "descent", "api", "--port", str(self._port)]
        self._process = subprocess.Popen(command, env=self._environment)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def dead(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def post(self, path: str, body: Any = None, **headers: str) -> dict[str, Any] | None:
        """None: no answer."""
        url = f"http://127.0.0.1:{self._port}{path}"
        try:
            answer = httpx.post(url, json=body, headers=self._headers | headers, timeout=30)
        except httpx.HTTPError:
            return None
        assert answer.status_code < 300, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
def api(workers: Workers, failpoints: Path) -> Iterator[Api]:
    started = Api(workers.environment | {"DESCENT_POLL_SECONDS": "600"})
    yield started
    started.stop()


@pytest.mark.parametrize("moment", ["before_ring", "after_ring"])
def test_the_api_dies_at_the_doorbell(workers: Workers, failpoints: Path, api: Api, moment: str) -> None:
    """m1, m2 (a job's row is there, its message not yet, or just so), and m15 for a resume."""
    workers.environment["DESCENT_POLL_SECONDS"] = "600"  # nobody looks by himself
    workers.start()
    api.start()

    def ask(path: str, body: Any = None, **headers: str) -> dict[str, Any]:
        (failpoints / moment).touch()
        workers.until(lambda: api.post(path, body, **headers) or api.dead())
        workers.until(api.dead)
        assert not (failpoints / moment).exists()
        api.start()
        answer: dict[str, Any] = workers.until(lambda: api.post(path, body, **headers))
        return answer

    job_id = ask("/v1/jobs", spec(200_000, every_epochs=100), **{"Idempotency-Key": moment})["id"]
    assert [row["id"] for row in workers.rows("SELECT id FROM job")] == [job_id]
    workers.trained(job_id, 1)
    api.post(f"/v1/jobs/{job_id}/pause")
    workers.until(lambda: workers.job(job_id)["status"] == "paused")
    ask(f"/v1/jobs/{job_id}/resume")
    workers.until(lambda: workers.job(job_id)["status"] == "running")
    api.post(f"/v1/jobs/{job_id}/cancel")
    assert workers.ended(job_id)["status"] == "cancelled"
