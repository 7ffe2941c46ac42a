"""Children that end with us, and how they are told to stop."""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

Steps = Sequence[tuple[signal.Signals, float]]
"""Signals, and how many seconds to wait after each."""
LAUNCH = Path(__file__).with_name("launch.py")


class StartError(Exception):
    """A part did not start; the message says why, with the end of its log."""


@dataclass(frozen=True)
class User:
    uid: int
    gid: int


def unprivileged_user(owner_of: Path | None = None) -> User | None:
    """Whom a server that refuses root runs as: the owner of its data, else nobody. None: we are not root."""
    if os.geteuid() != 0:
        return None
    if owner_of is not None and owner_of.exists() and owner_of.stat().st_uid != 0:
        return User(owner_of.stat().st_uid, owner_of.stat().st_gid)
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return User(65534, 65534)
    return User(nobody.pw_uid, nobody.pw_gid)


def spawn(
    command: Sequence[str],
    log: Path,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    user: User | None = None,
    death_signal: signal.Signals = signal.SIGKILL,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own, its output appended to `log`; it gets `death_signal` when we die.

    To be called from the main thread: Linux sends the signal when the forking *thread* ends.
    """
    who = user or User(0, 0)
    launcher = [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), str(int(death_signal))]
    with open(log, "ab", opener=_private) as output:
        return subprocess.Popen(
            [*launcher, str(who.uid), str(who.gid), *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cwd,
            env=env,
            pass_fds=pass_fds,
            start_new_session=True,  # the terminal's Ctrl-C is for us alone: we stop the parts in order
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it is over; it is not reaped yet, so its number still is its own."""
    if process.returncode is not None:
        return True
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def stop(stops: Mapping[subprocess.Popen[bytes], Steps], hurry: Callable[[], bool] = lambda: False) -> None:
    """Send each process its signals, waiting so many seconds after each; then SIGKILL to what is left of its group."""
    waiting = {process: list(steps) for process, steps in stops.items()}
    deadlines = dict.fromkeys(waiting, 0.0)
    while waiting:
        now = time.monotonic()
        for process, steps in list(waiting.items()):
            if ended(process) or hurry() or (not steps and now >= deadlines[process]):
                kill_session(process)
                del waiting[process]
            elif now >= deadlines[process]:
                number, seconds = steps.pop(0)
                os.kill(process.pid, number)
                deadlines[process] = now + seconds
        time.sleep(0.02)


def kill_session(process: subprocess.Popen[bytes]) -> None:
    """What a part left in its process group ends with it; then it is reaped."""
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def born(pid: int, name: str | None = None) -> int | None:
    """When the program under this number started, in clock ticks since boot; None for a zombie or another `name`."""
    try:
        before, _, after = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = after.split()  # from the third on: state, parent, …
    if fields[0] in "ZX" or (name is not None and before.partition("(")[2] != name):
        return None
    return int(fields[19])


def tail(log: Path, lines: int = 15) -> str:
    """The end of a log, for an error message."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def adopt_orphans() -> None:
    """Children of dead children become ours to reap (PR_SET_CHILD_SUBREAPER): a container's first process may not."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
