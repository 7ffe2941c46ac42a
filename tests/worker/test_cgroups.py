"""A trainer in a cgroup of its own, where the host has one to give; elsewhere the place for it is told from others."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from worker import cgroups
from worker.cgroups import Cgroup, takes_children

HUNGRY = "data = bytearray(256 * 2**20)\nfor i in range(0, len(data), 4096): data[i] = 1\nprint('had it all')"


def folder(place: Path, controllers: str) -> Path:
    place.mkdir(exist_ok=True)
    (place / "cgroup.subtree_control").write_text(controllers)
    (place / "cgroup.procs").write_text("")
    return place


def test_a_place_has_the_memory_controller_for_its_children(tmp_path: Path) -> None:
    assert takes_children(folder(tmp_path / "good", "cpu memory pids\n"))
    assert not takes_children(folder(tmp_path / "none", "cpu pids\n"))
    assert not takes_children(tmp_path / "missing")


def test_without_a_place_there_is_no_cgroup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "delegated", lambda: None)
    assert Cgroup.around(os.getpid(), "job_x-1", 2**30) is None


def test_leftovers_of_a_killed_worker_are_removed(tmp_path: Path) -> None:
    for name in ("descent-job_a-1", "descent-job_b-2", "other"):
        (tmp_path / name).mkdir()
    cgroups.remove_leftovers(tmp_path)
    assert [child.name for child in tmp_path.iterdir()] == ["other"]


@pytest.mark.skipif(
    cgroups.delegated() is None, reason="no writable cgroup v2 with the memory controller for its children"
)
def test_the_kernel_keeps_the_limit() -> None:
    gate = "import sys; sys.stdin.readline()\n"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    process: subprocess.Popen[str] = subprocess.Popen([sys.executable, "-c", gate + HUNGRY], **pipes)  # type: ignore[call-overload]
    around = Cgroup.around(process.pid, f"test-{process.pid}", 64 * 2**20)
    assert around is not None
    assert not around.exceeded()
    out, _ = process.communicate("go\n", timeout=60)
    assert (process.returncode, out) == (-signal.SIGKILL, "")
    assert around.exceeded()
    around.close()
    place = cgroups.delegated()
    assert place is not None
    assert not list(place.glob(f"*test-{process.pid}"))
