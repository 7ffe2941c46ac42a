"""The processes of one training over several devices: forked from the first, watched by it, gone with it.

What every process runs into alike (a spec that cannot be built, a loss that is not finite) each finds by itself. What
happens to one alone (no memory left on its device, a kill) its watcher in the leader hears of: the leader would wait
for it for ever.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from .distributed import ALONE, World
from .lifeline import die_with_parent

Report = Callable[[dict[str, Any]], None]
End = dict[str, Any]

LOST = 5
"""Exit status of a leader that lost one of the others: the attempt is lost, and the next one takes up."""
GRACE_SECONDS = 5.0
"""How long a leader has to come to the end that another process has come to."""
PATIENCE = timedelta(days=1)
"""Of a collective: the leader may wait for its supervisor, and that one for the database. Hangs are found outside."""


@dataclass
class Follower:
    """A process of another rank, as the leader sees it."""

    rank: int
    pid: int
    pipe: int
    last_words: End | None = None
    gone: threading.Event = field(default_factory=threading.Event)
    status: int = 0

    def died(self) -> bool:
        return self.gone.is_set() and self.last_words is None


class Gang:
    """This process among those of its training."""

    def __init__(self, world: World, followers: list[Follower], folder: str = "", pipe: int | None = None) -> None:
        self.world, self._followers, self._folder, self._pipe = world, followers, folder, pipe
        self._over, self._cuda = threading.Event(), False

    @classmethod
    def fork(cls, size: int) -> "Gang":
        """Returns in every process, of which there are `size` from here on. Call it before CUDA is touched."""
        if size == 1:
            return cls(ALONE, [])
        folder, leader, followers = tempfile.mkdtemp(prefix="descent-gang-"), os.getpid(), list[Follower]()
        for rank in range(1, size):
            reading, writing = os.pipe()
            pid = os.fork()
            if pid == 0:
                die_with_parent(leader)
                for end in (reading, *(earlier.pipe for earlier in followers)):
                    os.close(end)
                return cls(World(rank, size), [], folder, writing)
            os.close(writing)
            followers.append(Follower(rank, pid, reading))
        return cls(World(0, size), followers, folder)

    def meet(self, device: str, report: Report) -> None:
        """Join the others; from now on the leader watches them."""
        if self.world.size == 1:
            return
        for follower in self._followers:
            threading.Thread(target=self._watch, args=(follower, report), name="follower", daemon=True).start()
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        if device == "cuda":
            self._cuda = True
            torch.cuda.set_device(self.world.rank)
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if self._cuda else "gloo",
            init_method=f"file://{self._folder}/meeting",
            rank=self.world.rank,
            world_size=self.world.size,
            timeout=PATIENCE,
        )
        self.world.agree(0)  # all are there: the place where they met has done its work
        if self.world.leads:
            shutil.rmtree(self._folder, ignore_errors=True)

    def end(self, mine: End) -> End:
        """The training's end, for the leader to report. A follower says its own and is gone."""
        if self._pipe is not None:
            with contextlib.suppress(OSError):
                os.write(self._pipe, json.dumps(mine).encode())
            sys.stderr.flush()
            os._exit(0)
        if self._followers:
            mine = self._judged(mine)
            self._over.set()
            self._dismiss(wait=mine["error"] is None)
        return mine

    def _dismiss(self, wait: bool) -> None:
        """They have come to the same end, or wait in vain for one that will not come."""
        deadline = time.monotonic() + (GRACE_SECONDS if wait else 1.0)
        for follower in self._followers:
            if not follower.gone.wait(max(0.0, deadline - time.monotonic())):
                os.kill(follower.pid, signal.SIGKILL)
        if wait or not self._cuda:  # NCCL would wait for those that are gone
            dist.destroy_process_group()

    def _judged(self, mine: End) -> End:
        """A collective that broke off says nothing of why: the process that broke it does."""
        if (mine["error"] or {}).get("code") != "internal":
            return mine
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline:
            for follower in self._followers:
                if follower.died():
                    self._lost(follower)
                if follower.last_words is not None and follower.last_words["error"]:
                    return follower.last_words
            time.sleep(0.05)
        return mine

    def _watch(self, follower: Follower, report: Report) -> None:
        """In a thread of the leader, for each follower."""
        said = b""
        while piece := os.read(follower.pipe, 1 << 16):
            said += piece
        _, follower.status = os.waitpid(follower.pid, 0)
        os.close(follower.pipe)
        follower.last_words = json.loads(said) if said else None
        follower.gone.set()
        if follower.died() and not self._over.wait(GRACE_SECONDS):
            self._lost(follower)
        if follower.last_words and follower.last_words["error"] and not self._over.wait(GRACE_SECONDS):
            report(follower.last_words)
            sys.stdout.flush()
            os._exit(1)

    def _lost(self, follower: Follower) -> None:
        how = os.waitstatus_to_exitcode(follower.status)
        sys.stderr.write(f"process {follower.rank} of {self.world.size} has gone (status {how})\n")
        sys.stderr.flush()
        os._exit(LOST)
