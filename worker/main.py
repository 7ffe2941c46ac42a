"""The top process, `python -m worker.main --slots cpu=2,cuda:0=1`: brings the parts of this host up and keeps them so.

For each device a warm parent and a Celery process, joined by a socket that lives here and survives both.
SIGTERM or SIGINT: running jobs save a checkpoint and go back into the queue; a second one does not wait for that.
"""

import argparse
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from app.jobs.placement import queue_of
from app.local.devices import training_slots
from app.local.processes import LAUNCH, Steps
from app.local.supervisor import Part, Supervisor

logger = logging.getLogger(__name__)

SLOTS = re.compile(r"(cpu|cuda|cuda:\d+(?:\+cuda:\d+)*)=(\d+)", re.ASCII)
SLOTS_HELP = "cpu=2,cuda:0=1 (default: the cores, and one for each GPU); cuda:1+cuda:2=1 is a slot for jobs over both"
DRAIN: Steps = [(signal.SIGTERM, 75.0)]
AT_ONCE: Steps = [(signal.SIGKILL, 1.0)]


class Group(NamedTuple):
    """The slots of one device: `cpu`, or `cuda:N` as this host counts; `cuda:0+cuda:1` are two for one job."""

    device: str
    slots: int

    @property
    def queue(self) -> str:
        kind, gpus = self.device.partition(":")[0], len(self.device.split("+"))
        return queue_of({"device": kind, "gpus": gpus})


class Host:
    """Everything in the main thread: a child dies with the thread that it came from."""

    def __init__(self, groups: list[Group], previews: bool, labels: str) -> None:
        self.supervisor = Supervisor()
        self._groups, self._previews, self._labels = groups, previews, labels
        self._channels: list[socket.socket] = []
        self._woken = threading.Event()
        self._stops = 0

    def run(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda number, frame: self._woken.set())
        for group in self._groups:
            self._add(group)
        if self._previews:
            celery = ["worker.celery_main", "--queue", "previews"]
            self._part("previews", celery, DRAIN, {"CUDA_VISIBLE_DEVICES": ""})
        from sqlalchemy.exc import SQLAlchemyError  # the parts are on their way: SQLAlchemy takes its time

        from app import installation
        from app.orphans import Collector
        from app.sweeper import Sweeper
        from app.sweeps import steward
        from worker.presence import bury_the_dead

        status = 0
        try:
            installation.check()
        except installation.WrongStore as wrong:
            logger.error("not started: %s", wrong)
            self._stops, status = 2, installation.EX_CONFIG
        except SQLAlchemyError as error:
            logger.warning("the database is away (%s)", type(error).__name__)
        collector = Collector()

        def chores() -> None:
            bury_the_dead()
            collector()

        sweeper = Sweeper(chores)
        if not status:
            sweeper.start()
        stop_stewarding = steward.start()
        while not self._stops:
            self._woken.clear()
            if self.supervisor.look():
                sweeper.poke()
            self._woken.wait(self.supervisor.patience())
        names = [part.name for part in self.supervisor.parts]
        self.supervisor.stop(*(name for name in names if not name.startswith("warm")), hurry=lambda: self._stops > 1)
        self.supervisor.stop(*(name for name in names if name.startswith("warm")))
        if not status:
            sweeper.stop()
        stop_stewarding()
        return installation.EX_CONFIG if sweeper.wrong else status

    def _stop(self, number: int, frame: object) -> None:
        self._stops += 1
        self._woken.set()

    def _add(self, group: Group) -> None:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channels += [here, there]
        visible = {"CUDA_VISIBLE_DEVICES": visible_devices(group.device), "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
        visible["OPENBLAS_NUM_THREADS"] = "1"  # NumPy would start threads when it is imported, before the forks
        self._part(f"warm {group.device}", ["worker.warm", str(there.fileno())], AT_ONCE, visible, there.fileno())
        celery = ["worker.celery_main", "--queue", group.queue, "--device", group.device]
        celery += ["--slots", str(group.slots), "--labels", self._labels, "--channel", str(here.fileno())]
        self._part(f"celery {group.device}", celery, DRAIN, {}, here.fileno())

    def _part(self, name: str, module: list[str], steps: Steps, environment: dict[str, str], *fds: int) -> None:
        command = [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), str(int(signal.SIGKILL)), "0", "0"]
        command += [sys.executable, "-P", "-m", *module]

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                env=os.environ | environment,
                pass_fds=fds,
                start_new_session=True,  # a terminal's Ctrl-C is for us alone
            )

        self.supervisor.add(Part(name, start, steps))


def visible_devices(device: str) -> str:
    """What CUDA is to show a trainer: nothing for `cpu`, else its devices, by this process's own numbering."""
    if device == "cpu":
        return ""
    listed = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    numbers = [int(name.partition(":")[2]) for name in device.split("+")]
    return ",".join(listed[number] if number < len(listed) else str(number) for number in numbers)


def parse_slots(text: str) -> Iterator[Group]:
    """`cpu=2,cuda:0=1,cuda:1+cuda:2=1`. Raises ValueError."""
    for part in text.split(","):
        found = SLOTS.fullmatch(part)
        if found is None:
            raise ValueError(f"{part!r} is not like cpu=2, cuda:0=1, or cuda:0+cuda:1=1 for jobs over both")
        device, count = "cuda:0" if found[1] == "cuda" else found[1], int(found[2])
        gpus = device.split("+")
        if len(set(gpus)) < len(gpus):
            raise ValueError(f"{part!r} names a device twice")
        if count:
            yield Group(device, count)


def main() -> int:
    parser = argparse.ArgumentParser(prog="descent worker")
    parser.add_argument(
        "--slots",
        help=SLOTS_HELP,
    )
    parser.add_argument("--queues", choices=["previews"], help="answer the API's previews, and train nothing")
    parser.add_argument("--labels", default="", help="what jobs may ask for: gpu-large,eu")
    arguments = parser.parse_args()
    previews = arguments.queues == "previews"
    try:
        groups = [] if previews else list(parse_slots(arguments.slots or training_slots(None)))
    except ValueError as error:
        parser.error(str(error))
    from app import logs
    from app.settings import get_settings

    logs.configure(get_settings().log_level)
    with suppress(KeyboardInterrupt):
        return Host(groups, previews, arguments.labels).run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
