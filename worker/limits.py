"""What one job may take of its host: memory while it trains, time over all its attempts, room in the store."""

import math
import os
import re
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.database import session_scope
from app.jobs.leases import Lease, Resume
from app.jobs.memory import shown
from app.settings import get_settings
from worker.cgroups import Cgroup

OF_THE_HOST = 0.9
NEAR = 0.8
"""A trainer that was killed by nobody of ours with so much of its memory used was killed by the kernel for it."""
MEMORY = re.compile(rb"^(?:RssAnon|RssShmem|VmSwap):\s+(\d+) kB$", re.MULTILINE)

SPENT = text("""
SELECT coalesce(sum(extract(epoch FROM coalesce(ended_at, now()) - started_at)), 0) FROM attempt
WHERE job_id = :job AND attempt < :attempt
""")

Error = dict[str, Any]


def memory_limit() -> int:
    """Bytes of DESCENT_JOB_MEMORY_BYTES; without it, nine tenths of what the host, or its cgroup, has."""
    if chosen := get_settings().job_memory_bytes:
        return chosen
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return int(total * OF_THE_HOST)


def memory_of(pid: int) -> int:
    """Bytes that a trainer and its other processes have of memory and swap; files that they map can be dropped."""
    try:
        status = Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return 0
    own = sum(int(kilobytes) for kilobytes in MEMORY.findall(status)) * 1024
    with suppress(OSError):
        return own + sum(map(memory_of, map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())))
    return own


def spent(lease: Lease) -> float:
    """Seconds of the attempts before; none where the database cannot be asked just now."""
    with suppress(SQLAlchemyError), session_scope("descent_worker") as session:
        return float(session.execute(SPENT, {"job": lease.job_id, "attempt": lease.attempt}).scalar_one())
    return 0.0


def lack_of_room(store: Path, newest: Resume | None) -> str | None:
    """Why no training is begun: two checkpoints like the newest one must fit, the next and the one after it."""
    with suppress(OSError):
        needed = 0 if newest is None else 2 * (store / newest.path).stat().st_size
        free = shutil.disk_usage(store).free
        if free < needed:
            return f"{shown(free)} are free, two checkpoints take {shown(needed)}"
    return None


class Watch:
    """Over one attempt; `error` is what the job failed of, once it did."""

    def __init__(self, lease: Lease) -> None:
        self.memory_bytes = memory_limit()
        self.error: Error | None = None
        self._seconds = get_settings().job_seconds
        self._deadline = time.monotonic() + self._seconds - spent(lease) if self._seconds else math.inf
        self._most = 0
        self._name = f"{lease.job_id}-{lease.attempt}"
        self._pid: int | None = None
        self._cgroup: Cgroup | None = None

    def look(self, pid: int | None) -> Error | None:
        """What the job has exceeded by now."""
        if self.error is not None:
            return self.error
        if pid is not None:
            if pid != self._pid:
                self._enclose(pid)
            self._most = max(self._most, memory_of(pid))
        if self._most > self.memory_bytes:
            message = f"The job took {shown(self._most)} of memory; it may have {shown(self.memory_bytes)}."
            self._exceed("out_of_memory", message, {"bytes": self._most, "limit": self.memory_bytes})
        elif time.monotonic() > self._deadline:
            message = f"The job has run for {self._seconds:g} s, which is all that it may."
            self._exceed("timeout", message, {"limit": self._seconds})
        return self.error

    def bury(self, status: int | None) -> None:
        """A trainer died of a signal that nobody here has sent."""
        killed = status is not None and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        by_the_kernel = self._cgroup is not None and self._cgroup.exceeded()
        if killed and self.error is None and (by_the_kernel or self._most > NEAR * self.memory_bytes):
            message = f"The job was killed with {shown(self._most)} of memory; it may have {shown(self.memory_bytes)}."
            self._exceed("out_of_memory", message, {"bytes": self._most, "limit": self.memory_bytes})

    def release(self) -> None:
        """The trainer is gone."""
        if self._cgroup is not None:
            self._cgroup.close()
        self._cgroup, self._pid = None, None

    def _enclose(self, pid: int) -> None:
        """Let the kernel keep the limit, where it can; else it is looked at."""
        self._pid = pid
        self._cgroup = Cgroup.around(pid, self._name, self.memory_bytes)

    def _exceed(self, code: str, message: str, detail: dict[str, Any]) -> None:
        self.error = {"code": code, "message": message, "detail": detail}
