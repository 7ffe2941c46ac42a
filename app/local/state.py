"""The state folder of a local start: who runs in it, where its parts are, how clients find it.

lock              held by the running `descent up`, with its pid
run.json          while it runs: pids, URLs (0600: a database URL may hold a password)
connection.json   while it is ready: {"url", "api_key"} (0600)
key               the installation's first key (0600)
postgres/ store/ logs/
"""

import fcntl
import json
import os
import shutil
import signal
import socket
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from app.local.processes import StartError, born

LOG_BYTES = 10 * 1024 * 1024


@dataclass
class PartState:
    pid: int
    born: int
    """Start time in clock ticks since boot: with it a pid is never taken for another program's."""
    restarts: int = 0


@dataclass
class Run:
    """What run.json says."""

    pid: int
    url: str = ""
    database_url: str = ""
    broker_url: str = ""
    store_url: str = ""
    sockets: str = ""
    started_at: float = 0.0
    ready: bool = False
    parts: dict[str, PartState] = field(default_factory=dict)


class StateFolder:
    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.logs = self.path / "logs"
        self.connection = self.path / "connection.json"
        self._run = self.path / "run.json"
        self._lock = self.path / "lock"
        self._held: int | None = None

    def create(self) -> None:
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            self._lock.touch(mode=0o600)
        except OSError as error:
            raise StartError(f"the state folder {self.path} cannot be used: {error.strerror}") from error

    def take(self) -> bool:
        """Become the one who runs here; the kernel gives the lock up with the process, however it ends."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._held = descriptor
        return True

    def holder(self) -> int | None:
        """The pid of the `descent up` that runs here."""
        try:
            descriptor = os.open(self._lock, os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(os.pread(descriptor, 20, 0) or 0)
        finally:
            os.close(descriptor)
        return None

    def read_run(self) -> Run | None:
        try:
            document = json.loads(self._run.read_text())
            parts = {name: PartState(**part) for name, part in document.pop("parts").items()}
            return Run(**document, parts=parts)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def write_run(self, run: Run) -> None:
        self.write_private("run.json", json.dumps(asdict(run), indent=1))

    def write_connection(self, url: str, api_key: str) -> None:
        self.write_private("connection.json", json.dumps({"url": url, "api_key": api_key}))

    def write_private(self, name: str, text: str) -> None:
        """A whole file or none, readable by its owner only."""
        descriptor, temporary = tempfile.mkstemp(prefix=f".{name}-", dir=self.path)  # made with mode 0600
        with os.fdopen(descriptor, "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, self.path / name)

    def clear_leftovers(self, seconds: float = 10.0) -> None:
        """What an earlier run that was killed left: its parts end with it, within moments; then its files."""
        self.connection.unlink(missing_ok=True)
        left = self.read_run()
        if left is None:
            return
        deadline = time.monotonic() + seconds
        for part in left.parts.values():
            while born(part.pid) == part.born:
                if time.monotonic() > deadline:
                    with suppress(ProcessLookupError, PermissionError):
                        os.kill(part.pid, signal.SIGKILL)
                time.sleep(0.05)
        self._remove_sockets(left)
        self._run.unlink(missing_ok=True)

    def socket_folder(self) -> Path:
        """A private folder for the sockets: in the state folder, or with a short path where that one's is too long."""
        own = self.path / "sockets"
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir(mode=0o700)
        if _holds_sockets(own):
            return own
        own.rmdir()
        short = Path(tempfile.mkdtemp(prefix="descent-", dir="/tmp"))
        if _holds_sockets(short):
            return short
        raise StartError("neither the state folder nor /tmp can hold sockets")

    def open_log(self, part: str) -> Path:
        self.trim_logs()
        return self.logs / f"{part}.log"

    def trim_logs(self) -> None:
        """Put aside what has grown large. The parts append to their open files, so these are copied and emptied."""
        for log in self.logs.glob("*.log"):
            if log.stat().st_size > LOG_BYTES:
                shutil.copyfile(log, log.with_suffix(".log.1"))
                os.truncate(log, 0)

    def release(self) -> None:
        """After a clean stop nothing is left that names a process."""
        if run := self.read_run():
            self._remove_sockets(run)
        self.connection.unlink(missing_ok=True)
        self._run.unlink(missing_ok=True)
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _remove_sockets(self, run: Run) -> None:
        if run.sockets and Path(run.sockets).name.startswith(("sockets", "descent-")):
            shutil.rmtree(run.sockets, ignore_errors=True)


def _holds_sockets(folder: Path) -> bool:
    """Whether the path leaves room for a server's name (Linux: 107 bytes in all), and its file system has sockets."""
    name = folder / ".s.PGSQL.5432.try"
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.bind(str(name))
    except OSError:
        return False
    name.unlink()
    return True
