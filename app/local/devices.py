"""Which training slots this machine offers."""

import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path


@lru_cache
def training_slots(cpu_slots: int | None) -> str:
    """`cpu=2,cuda:0=1`: CPU slots as asked (default: one a core), and one for each GPU that torch sees."""
    cpus = cpu_slots if cpu_slots is not None else len(os.sched_getaffinity(0))
    return ",".join([f"cpu={cpus}", *(f"cuda:{index}=1" for index in range(_gpus()))])


def _gpus() -> int:
    """Torch is asked only where there is a driver, and in a process of its own."""
    if not any(Path("/dev").glob("nvidia[0-9]*")):
        return 0
    command = [sys.executable, "-c", "import torch; print(torch.cuda.device_count())"]
    try:
        return int(subprocess.run(command, capture_output=True, text=True, timeout=120).stdout)
    except (ValueError, subprocess.TimeoutExpired):
        return 0
