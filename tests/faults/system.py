"""The service under test: `descent up`, more worker hosts beside it, a small disk, and what faults have to know."""

import json
import os
import subprocess
import threading
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx

from tests.faults.host import TOP, Host
from tests.faults.proxy import Proxy
from tests.system.service import Service, below

DISK_MEGABYTES = 1024
SLICE_SECONDS = 5


class System(Service):
    """Half of the slots are `descent up`'s own; the others are on hosts of their own."""

    def __init__(self, hosts: int, slots_each: int, lease_seconds: float) -> None:
        settings = {
            "DESCENT_LEASE_SECONDS": str(lease_seconds),
            "DESCENT_SLICE_SECONDS": str(SLICE_SECONDS),
            "DESCENT_MAX_ATTEMPTS": "50",  # a storm kills faster than any real machine
        }
        super().__init__(slots_each, settings)
        self.lease_seconds = lease_seconds
        self.all_slots = hosts * slots_each
        self.disk: Path | None = self._mount()
        self.settings["DESCENT_STORE_URL"] = str((self.disk or self.state) / "store")
        self._others = hosts - 1
        self.hosts: list[Host] = []
        self.damaged: set[str] = set()
        """Checkpoints (by their path in the store) that the storm itself has changed."""
        self.later: list[threading.Timer] = []
        """Ends of faults that last a while."""

    def __enter__(self) -> Self:
        super().__enter__()
        self.http.timeout = httpx.Timeout(20)
        run = json.loads((self.state / "run.json").read_text())
        self.database_url, self.broker_url = run["database_url"], run["broker_url"]
        self.store = Path(run["store_url"])
        for number in range(1, self._others + 1):
            self.hosts.append(self._host(f"host{number}"))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.heal()
        for host in self.hosts:
            host.stop()
        self.keep = self.keep or kind is not None
        super().__exit__(kind)
        if self.disk is not None and not self.keep:
            subprocess.run(["umount", str(self.disk)], check=False)
            self.disk.rmdir()
        if self.keep:
            print(f"the state folder is kept for a look: {self.state}, store {self.settings['DESCENT_STORE_URL']}")

    def after(self, seconds: float, act: Any) -> None:
        """The end of a fault."""
        timer = threading.Timer(seconds, act)
        timer.daemon = True
        self.later.append(timer)
        timer.start()

    def heal(self) -> None:
        """Wait for what still lasts."""
        for timer in self.later:
            timer.join()
        self.later.clear()

    def processes(self) -> dict[int, str]:
        """The other hosts are part of the service, their top processes too."""
        tops = [pid for host in self.hosts if (pid := host.pid) is not None]
        return below(self.process.pid, *tops) | dict.fromkeys(tops, TOP)

    def environment(self) -> dict[str, str]:
        """For further processes of this installation."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("DESCENT_")}
        urls = {"DESCENT_DATABASE_URL": self.database_url, "DESCENT_BROKER_URL": self.broker_url}
        return clean | self.settings | urls

    def _host(self, name: str) -> Host:
        sockets = Path(parse_qs(urlsplit(self.database_url).query)["host"][0])
        proxy = Proxy(sockets / ".s.PGSQL.5432", self.state / name)
        proxy.start()
        url = self.database_url.replace(str(sockets), str(self.state / name))
        environment = self.environment() | {"DESCENT_DATABASE_URL": url}
        return Host(name, self.slots, environment, proxy, self.state / f"{name}.log")

    def _mount(self) -> Path | None:
        """A small file system of the store's own, which only root can make."""
        if os.geteuid() != 0:
            return None
        folder = self.state.with_name(self.state.name + "-disk")
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m,mode=755", "descent-storm", str(folder)]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            folder.rmdir()
            return None
        return folder
