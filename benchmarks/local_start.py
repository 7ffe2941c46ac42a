"""How long `descent up` takes: the first start of a new folder, a start on existing data, the way back after kill -9.

Prints one line for each; needs nothing but the installation.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="descent-bench-") as folder:
        state = Path(folder) / "state"
        first, process = start(state)
        print(f"first start, new folder          {first:6.1f} s")
        stopped = seconds_until(lambda: stop(process))
        print(f"clean stop                       {stopped:6.1f} s")
        again, process = start(state)
        print(f"start on existing data           {again:6.1f} s")
        for part in ("api", "postgres", "redis"):
            run = json.loads((state / "run.json").read_text())
            os.kill(run["parts"][part]["pid"], signal.SIGKILL)
            time.sleep(0.05)
            back = seconds_until(lambda: wait_until_ready(run["url"]))  # noqa: B023
            print(f"ready after kill -9 of {part:<9} {back:6.1f} s")
        stop(process)


def start(state: Path) -> tuple[float, subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "descent", "up", "--port", "0", "--state", str(state)]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not (state / "connection.json").exists():
        if process.poll() is not None:
            sys.exit("the service did not start")
        time.sleep(0.02)
    return time.monotonic() - began, process


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()


def wait_until_ready(url: str) -> None:
    while True:
        try:
            urllib.request.urlopen(f"{url}/readyz", timeout=5).close()
            return
        except OSError:
            time.sleep(0.02)


def seconds_until(what: Callable[[], None]) -> float:
    began = time.monotonic()
    what()
    return time.monotonic() - began


if __name__ == "__main__":
    main()
