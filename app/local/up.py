"""`descent up`: brings every part, keeps it running, and takes it down again in order."""

import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from app.local import first_key, postgres, redis
from app.local.devices import training_slots
from app.local.listening import LISTENING_FD, listening_socket, url_of
from app.local.processes import StartError, Steps, adopt_orphans, spawn, tail
from app.local.state import Run, StateFolder
from app.local.supervisor import Part, Supervisor

logger = logging.getLogger(__name__)

READY_SECONDS = 180.0
TRIM_SECONDS = 60.0
STOP_API: Steps = [(signal.SIGTERM, 8)]
STOP_TRAINING: Steps = [(signal.SIGTERM, 90)]
"""Long enough for every running job to checkpoint and to be put back into the queue."""

Step = Callable[[str], AbstractContextManager[None]]
"""Shows that something is being done, and that it is done."""


class AlreadyRunning(StartError):
    """Another `descent up` holds the state folder."""


class Interrupted(Exception):
    """Told to stop while still starting."""


@dataclass(frozen=True)
class Options:
    state: Path
    host: str = "127.0.0.1"
    port: int = 8000
    cpu_slots: int | None = None
    """None: as many as there are cores."""


class LocalService:
    """One run of `descent up`, all in the main thread: a child dies with the thread that it came from."""

    def __init__(self, options: Options, step: Step, ready: Callable[[Run, str, Path], None]) -> None:
        self.options = options
        self.step = step
        self.ready = ready
        self.state = StateFolder(options.state)
        self.supervisor = Supervisor()
        self.run = Run(os.getpid(), started_at=time.time())
        self.listening: socket.socket | None = None
        """Kept open: a restarted API finds it again."""
        self.stops_asked = 0
        self.starting = True

    def serve(self) -> None:
        """Run until told to stop (SIGTERM, SIGINT, SIGHUP). Errors: StartError."""
        self.state.create()
        if not self.state.take():
            known = self.state.read_run()
            where = f" at {known.url}" if known and known.url else ""
            raise AlreadyRunning(
                f"a service is running in {self.state.path} already{where} (pid {self.state.holder()})"
            )
        adopt_orphans()
        with self._signals() as woken:
            try:
                self.state.clear_leftovers()
                self._log()
                self._start()
                self.starting = False
                self._watch(woken)
            except Interrupted:
                logger.info("told to stop while starting")
            finally:
                self.starting = False
                self._stop()

    def _start(self) -> None:
        listening = self.listening = listening_socket(self.options.host, self.options.port)
        self.run.url = url_of(listening)
        with self.step("Postgres and Redis"):
            self._start_servers()
        self._write_run()
        with self.step("Tables and first key"):
            api_key = first_key.prepare(self.state)
        with self.step("API"):
            environment = os.environ | {LISTENING_FD: str(listening.fileno())}
            self._add("api", ["app.local.uvicorn_server"], STOP_API, environment, (listening.fileno(),))
            self._wait_for("/healthz")
        with self.step("Training slots and previews"):
            self._add("worker", ["worker.main", "--slots", training_slots(self.options.cpu_slots)], STOP_TRAINING)
            self._add("previews", ["worker.main", "--queues", "previews"], STOP_TRAINING)
            self._write_run()
            self._wait_for("/readyz")
        self.run.ready = True
        self._write_run()
        self.state.write_connection(self.run.url, api_key)
        self.ready(self.run, training_slots(self.options.cpu_slots), self.state.path)

    def _start_servers(self) -> None:
        """Where a server is named in the environment, that one is used."""
        sockets = self.state.socket_folder()
        self.run.sockets = str(sockets)
        self._write_run()
        if not os.environ.get("DESCENT_BROKER_URL"):
            broker = redis.Redis(sockets, self.state.open_log("redis"))
            broker.wait(self.supervisor.add(Part("redis", broker.start, redis.STOP)))
            os.environ["DESCENT_BROKER_URL"] = broker.url
        if not os.environ.get("DESCENT_DATABASE_URL"):
            database = postgres.Postgres(self.state.path, sockets, self.state.open_log("postgres"))
            database.create()
            database.wait(self.supervisor.add(Part("postgres", database.start, postgres.STOP)))
            database.create_database()
            os.environ["DESCENT_DATABASE_URL"] = database.url()
        os.environ.setdefault("DESCENT_STORE_URL", str(self.state.path / "store"))
        self.run = replace(
            self.run,
            database_url=os.environ["DESCENT_DATABASE_URL"],
            broker_url=os.environ["DESCENT_BROKER_URL"],
            store_url=os.environ["DESCENT_STORE_URL"],
        )

    def _add(
        self, name: str, module: list[str], steps: Steps, env: dict[str, str] | None = None, fds: tuple[int, ...] = ()
    ) -> None:
        log = self.state.open_log(name)

        def start() -> subprocess.Popen[bytes]:
            command = [sys.executable, "-P", "-m", *module]
            return spawn(command, log, cwd=self.state.path, env=env or dict(os.environ), pass_fds=fds)

        self.supervisor.add(Part(name, start, steps))

    def _wait_for(self, path: str) -> None:
        """Until the API answers 200 there; a part that dies again and again ends the wait."""
        deadline = time.monotonic() + READY_SECONDS
        answer = "no answer"
        while True:
            try:
                urllib.request.urlopen(self.run.url + path, timeout=1).close()
                return
            except urllib.error.HTTPError as error:
                answer = f"{error.code} {error.read(2000).decode(errors='replace')}"
            except OSError as error:
                answer = str(error)
            self.supervisor.look()
            for part in self.supervisor.parts:
                if part.restarts >= 3:
                    log = self.state.logs / f"{part.name}.log"
                    raise StartError(f"the part `{part.name}` does not stay up; the end of {log}:\n{tail(log)}")
            if time.monotonic() > deadline:
                raise StartError(
                    f"not ready after {READY_SECONDS:.0f} s; {path} says: {answer}\nLogs: {self.state.logs}"
                )
            time.sleep(0.1)

    def _watch(self, woken: int) -> None:
        trim_at = 0.0
        while not self.stops_asked:
            select.select([woken], [], [], self.supervisor.patience())  # a child's end or a signal wakes us at once
            with suppress(BlockingIOError):
                os.read(woken, 4096)
            if self.supervisor.look():
                self._write_run()
            if time.monotonic() > trim_at:
                trim_at = time.monotonic() + TRIM_SECONDS
                with suppress(OSError):
                    self.state.trim_logs()

    def _stop(self) -> None:
        """Training first, so that running jobs checkpoint and go back to the queue; the database last."""
        self.state.connection.unlink(missing_ok=True)
        asked = self.stops_asked

        def hurry() -> bool:
            return self.stops_asked > max(1, asked)

        order: tuple[tuple[str, tuple[str, ...]], ...] = (
            ("Running jobs checkpointed, slots stopped", ("worker", "previews")),
            ("API stopped", ("api",)),
            ("Redis and Postgres stopped", ("redis", "postgres")),
        )
        for title, names in order:
            if any(part.name in names for part in self.supervisor.parts):
                with self.step(title):
                    self.supervisor.stop(*names, hurry=hurry if "postgres" not in names else lambda: False)
        if self.listening is not None:
            self.listening.close()
        self.state.release()

    @contextmanager
    def _signals(self) -> Iterator[int]:
        """Handlers for as long as we run; the descriptor that becomes readable with each signal."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        os.set_blocking(writing, False)

        def asked(number: int, _: object) -> None:
            self.stops_asked += 1
            if self.starting and self.stops_asked == 1:
                raise Interrupted

        stopping = [signal.SIGTERM, signal.SIGINT]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            stopping.append(signal.SIGHUP)
        before = {number: signal.signal(number, asked) for number in stopping}
        before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)
        wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        try:
            yield reading
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(reading)
            os.close(writing)

    def _write_run(self) -> None:
        self.run.parts = self.supervisor.states()
        try:
            self.state.write_run(self.run)
        except OSError as error:  # a full disk stops nothing that runs
            logger.warning("run.json not written: %s", error)

    def _log(self) -> None:
        handler = logging.FileHandler(self.state.open_log("up"))
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        local = logging.getLogger("app.local")
        local.addHandler(handler)
        local.setLevel(logging.INFO)
        local.propagate = False
