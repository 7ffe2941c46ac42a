"""Keeps parts running: a dead one is reaped and started again, soon at first and then less often."""

import logging
import os
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from app.local.processes import Steps, born, ended, kill_session, stop
from app.local.state import PartState

logger = logging.getLogger(__name__)

FIRST_DELAY, LONGEST_DELAY = 0.2, 5.0
STEADY_SECONDS = 5.0
"""A part that lived this long is started again at once when it dies."""


@dataclass
class Part:
    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    steps: Steps
    """How it is stopped."""
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restarts: int = 0
    delay: float = FIRST_DELAY
    due: float = 0.0


class Supervisor:
    def __init__(self) -> None:
        self.parts: list[Part] = []

    def add(self, part: Part) -> subprocess.Popen[bytes]:
        self.parts.append(part)
        return self._start(part)

    def look(self) -> bool:
        """Reap and start again what died; True when anything changed."""
        changed = False
        now = time.monotonic()
        for part in self.parts:
            if part.process is not None and ended(part.process):
                kill_session(part.process)
                steady = now - part.started_at > STEADY_SECONDS
                part.delay = FIRST_DELAY if steady else min(LONGEST_DELAY, part.delay * 2)
                part.due = now + part.delay
                logger.warning("%s (pid %d) ended with %s", part.name, part.process.pid, _reason(part.process))
                part.process = None
                changed = True
            if part.process is None and now >= part.due:
                part.restarts += 1
                changed = True
                try:
                    self._start(part)
                except OSError as error:  # no memory for a fork, no space for a file: later, perhaps
                    part.due = now + LONGEST_DELAY
                    logger.warning("%s not started: %s", part.name, error)
        self._reap_orphans()
        return changed

    def patience(self) -> float:
        """Seconds until the next part is due, at most 1."""
        now = time.monotonic()
        return min([1.0, *(max(0.0, part.due - now) for part in self.parts if part.process is None)])

    def states(self) -> dict[str, PartState]:
        alive = [(part, part.process.pid) for part in self.parts if part.process is not None]
        return {part.name: PartState(pid, born(pid) or 0, part.restarts) for part, pid in alive}

    def stop(self, *names: str, hurry: Callable[[], bool] = lambda: False) -> None:
        """Stop these parts together, for good."""
        chosen = [part for part in self.parts if part.name in names]
        self.parts = [part for part in self.parts if part.name not in names]
        stop({part.process: part.steps for part in chosen if part.process is not None}, hurry)
        for part in chosen:
            logger.info("%s stopped", part.name)

    def _start(self, part: Part) -> subprocess.Popen[bytes]:
        part.process = part.start()
        part.started_at = time.monotonic()
        logger.info("%s started (pid %d)", part.name, part.process.pid)
        return part.process

    def _reap_orphans(self) -> None:
        """Children of dead parts come to us (we are their subreaper); a container's first process may not reap them."""
        ours = {part.process.pid for part in self.parts if part.process is not None}
        with suppress(ChildProcessError):
            while True:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if found is None or found.si_pid in ours:
                    return
                os.waitpid(found.si_pid, 0)


def _reason(process: subprocess.Popen[bytes]) -> str:
    code = process.returncode
    return f"signal {-code}" if code < 0 else f"exit status {code}"
