"""A cgroup (v2) for each trainer, where the host lets the worker make one: the kernel itself keeps the job's memory.

It takes a folder with the memory controller enabled for its children that the worker may write to: its own cgroup, or
the one above it (systemd: `Delegate=memory` with `DelegateSubgroup=`). Elsewhere memory is looked at instead
(`worker/limits.py`).
"""

import logging
import os
import re
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

logger = logging.getLogger(__name__)

PREFIX = "descent-"
KILLED = re.compile(r"^oom(?:_group)?_kill (\d+)$", re.MULTILINE)


@lru_cache
def delegated() -> Path | None:
    """The folder below which trainers get cgroups of their own."""
    for folder in own_and_above():
        if takes_children(folder):
            remove_leftovers(folder)
            return folder
    return None


def own_and_above() -> list[Path]:
    """This process's cgroup and its parent, where the unified hierarchy is mounted."""
    with suppress(OSError, StopIteration):
        own = next(line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
        mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
        root = Path(next(fields[1] for fields in mounts if fields[2] == "cgroup2"))
        folder = root / own.lstrip("/")
        return [folder] if folder == root else [folder, folder.parent]
    return []


def takes_children(folder: Path) -> bool:
    with suppress(OSError):
        enabled = (folder / "cgroup.subtree_control").read_text().split()
        return "memory" in enabled and os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK)
    return False


def remove_leftovers(folder: Path) -> None:
    """Of workers that were killed: a cgroup with processes in it stays."""
    for child in folder.glob(f"{PREFIX}*"):
        with suppress(OSError):
            child.rmdir()


class Cgroup:
    """Around one trainer, from its start to its end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def around(cls, pid: int, name: str, memory_bytes: int) -> "Cgroup | None":
        """None where there is no place for it; the job is watched then."""
        place = delegated()
        if place is None:
            return None
        folder = place / (PREFIX + name)
        try:
            folder.mkdir(exist_ok=True)
            (folder / "memory.max").write_text(str(memory_bytes))
            with suppress(OSError):
                (folder / "memory.swap.max").write_text("0")
                (folder / "memory.oom.group").write_text("1")
            (folder / "cgroup.procs").write_text(str(pid))
        except OSError as error:
            logger.warning("no cgroup for %s: %s", name, error)
            with suppress(OSError):
                folder.rmdir()
            return None
        return cls(folder)

    def exceeded(self) -> bool:
        """Whether the kernel has killed something here for its memory."""
        with suppress(OSError):
            return any(int(count) for count in KILLED.findall((self._folder / "memory.events").read_text()))
        return False

    def close(self) -> None:
        """Once the trainer is gone; what it left running goes too."""
        with suppress(OSError):
            (self._folder / "cgroup.kill").write_text("1")
        with suppress(OSError):
            self._folder.rmdir()
