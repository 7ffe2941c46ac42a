"""Another worker host: `python -m worker.main` under a host name of its own, behind a network that can fail."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from app.local.processes import LAUNCH
from tests.faults.proxy import Proxy
from tests.system.service import below

RESTART_SECONDS = 0.5
TOP = "worker.main"


class Host:
    """Started again when it ends, as any deployment would, unless it is kept down."""

    def __init__(self, name: str, slots: int, environment: dict[str, str], proxy: Proxy, log: Path) -> None:
        self.name, self.proxy = name, proxy
        command = [sys.executable, "-m", TOP, "--slots", f"cpu={slots}"]
        if os.geteuid() == 0:  # a name of its own: else the hosts would take one another for the same one
            unshare = str(shutil.which("unshare"))
            command = [unshare, "--uts", "sh", "-c", f'hostname {name}; exec "$@"', "sh", *command]
        launcher = [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), str(int(signal.SIGKILL)), "0", "0"]
        self._command, self._environment = launcher + command, environment
        self._log = log.open("ab")
        self._wanted = threading.Event()
        self._wanted.set()
        self._stopped = threading.Event()
        self.process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name=name, daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int | None:
        """Of the top process while it lives."""
        process = self.process
        return process.pid if process is not None and process.poll() is None else None

    def processes(self) -> dict[int, str]:
        """The top process and all below it."""
        return {} if self.pid is None else {self.pid: TOP, **below(self.pid)}

    def keep_down(self) -> None:
        """It is not started again until `let_up`."""
        self._wanted.clear()

    def let_up(self) -> None:
        self._wanted.set()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._log.close()
        self.proxy.stop()

    def _keep(self) -> None:
        """In a thread that outlives its children: a child gets its death signal when the thread ends."""
        while not self._stopped.wait(RESTART_SECONDS):
            if self._wanted.is_set() and (self.process is None or self.process.poll() is not None):
                self.process = subprocess.Popen(
                    self._command, env=self._environment, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log
                )
