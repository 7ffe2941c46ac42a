"""Strangers' files are parsed in a child process with little memory, little time and nothing else to lose.

`python -m app.datasets.inspect` reads {"format", "files", "target", "limits"} from stdin and writes {"description"} or
{"error"} to stdout; `inspect` starts it and waits.
"""

import json
import os
import resource
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.datasets.errors import DatasetError, DatasetTooLarge
from app.datasets.formats import Description, Files
from app.datasets.limits import Limits

AT_ONCE = threading.BoundedSemaphore(2)  # each may take a core and its share of memory
MAX_ANSWER_BYTES = 64 * 2**20
OUT_OF_MEMORY = "needs more memory than an upload may take: are its rows, fields or images very large?"


def inspect(format: str, files: Files, target: str | None, limits: Limits) -> Description:
    """What the files hold. Raises DatasetError (422), DatasetTooLarge (413)."""
    request = {
        "format": format,
        "files": {role: str(path) for role, path in files.items()},
        "target": target,
        "limits": asdict(limits),
    }
    command = [sys.executable, "-P", "-m", "app.datasets.inspect"]
    environment = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "ARROW_DEFAULT_MEMORY_POOL": "system",  # the others reserve address space by the gigabyte
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    with AT_ONCE:
        try:
            child = subprocess.run(
                command,
                input=json.dumps(request).encode(),
                capture_output=True,
                timeout=limits.seconds + 5,  # the limit on its CPU time comes first, unless it sleeps
                env=environment,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise DatasetTooLarge(f"takes longer than {limits.seconds} seconds to look through") from error
    return _answer(child, limits)


def _answer(child: subprocess.CompletedProcess[bytes], limits: Limits) -> Description:
    if child.returncode < 0:
        if -child.returncode in (24, 9):  # SIGXCPU, and SIGKILL after it
            raise DatasetTooLarge(f"takes longer than {limits.seconds} seconds to look through")
        if -child.returncode == 6:  # SIGABRT: a C++ library without memory
            raise DatasetTooLarge(OUT_OF_MEMORY)
        raise DatasetError("the file is broken: its reader crashed")
    try:
        answer: dict[str, Any] = json.loads(child.stdout[:MAX_ANSWER_BYTES])
    except ValueError as error:
        if b"MemoryError" in child.stderr or b"bad_alloc" in child.stderr:
            raise DatasetTooLarge(OUT_OF_MEMORY) from error
        raise RuntimeError(f"inspection ended with {child.returncode}: {child.stderr.decode()[-2000:]}") from error
    if "error" in answer:
        kind = DatasetTooLarge if answer["too_large"] else DatasetError
        raise kind(answer["error"], pointer=answer["pointer"])
    description: Description = answer["description"]
    return description


def main() -> None:
    """The child."""
    from app.datasets.describe import describe  # the readers' libraries are the child's alone

    request = json.load(sys.stdin)
    limits = Limits(**request["limits"])
    files = {role: Path(path) for role, path in request["files"].items()}
    confine(limits)
    try:
        answer: dict[str, Any] = {"description": describe(request["format"], files, request["target"], limits)}
    except DatasetError as error:
        answer = {"error": str(error), "too_large": isinstance(error, DatasetTooLarge), "pointer": error.pointer}
    except MemoryError:
        answer = {"error": OUT_OF_MEMORY, "too_large": True, "pointer": "/file"}
    except Exception as error:  # a stranger's file is the cause, whatever a library makes of it
        answer = {"error": f"the file is broken: {type(error).__name__}", "too_large": False, "pointer": "/file"}
    json.dump(answer, sys.stdout, allow_nan=False)


def confine(limits: Limits) -> None:
    """From here on: so much memory and CPU time, no files written, no core dump."""
    for what, value in (
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_CPU, limits.seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (value, value + (1 if what == resource.RLIMIT_CPU else 0)))


if __name__ == "__main__":
    main()
