"""`make demo` keeps its word, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(400)]
DEMO = Path(__file__).parents[2] / "examples" / "demo.py"


def start(folder: Path) -> "subprocess.Popen[str]":
    environment = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.Popen(
        [sys.executable, str(DEMO)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )


def left_behind(folder: Path) -> list[str]:
    """Processes that name the folder on their command line, and what lies in it."""
    found = [str(path) for path in folder.iterdir()]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(folder).encode() in command:
                found.append(command.replace(b"\0", b" ").decode())
    return found


def test_the_demo_holds(tmp_path: Path) -> None:
    demo = start(tmp_path)
    said, _ = demo.communicate(timeout=180)
    assert demo.returncode == 0, said
    for line in ("kill -9 ", "resumed", "10 rows of 10 equal, bit for bit", "final weights equal", "Everything held"):
        assert line in said
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize("line", ["Start everything", "   epoch   train loss"])
def test_ctrl_c_takes_everything_away(tmp_path: Path, line: str) -> None:
    demo = start(tmp_path)
    assert demo.stdout is not None
    while line not in demo.stdout.readline():
        assert demo.poll() is None
    time.sleep(1)
    demo.send_signal(signal.SIGINT)
    said, _ = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert "everything is stopped and removed" in said
    assert left_behind(tmp_path) == []
