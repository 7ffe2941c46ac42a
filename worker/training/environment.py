"""Process-wide torch settings of a run, and the fingerprint that its numbers depend on."""

import os
import platform
import warnings
from typing import Any

import torch

from .config import Config
from .errors import ConfigError


def configure(config: Config, rank: int = 0) -> torch.device:
    """Pin threads and determinism before the first operation. Returns the device to train on: one for each rank."""
    torch.set_num_threads(config.cpu_threads)
    # A float16 step that the scaler skips is not an optimizer's step, and no reason to tell the user about call orders.
    warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
    try:
        device = torch.device(config.device)
    except RuntimeError as error:
        raise ConfigError("/resources/device", f"{config.device} is no device of torch") from error
    if device.type == "cuda" and config.gpus > 1:
        device = torch.device("cuda", rank)
    exact = config.reproducibility == "exact"
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read by cuBLAS when CUDA starts
        torch.backends.cudnn.benchmark = not exact
        torch.backends.cudnn.deterministic = exact
        torch.backends.cudnn.allow_tf32 = not exact
        torch.backends.cuda.matmul.allow_tf32 = not exact
    # One CPU thread adds in one order by itself; several need the ordered kernels.
    if exact and (device.type == "cuda" or config.cpu_threads > 1):
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return device


def fingerprint(device: torch.device, world_size: int) -> dict[str, Any]:
    """What must be equal for two runs to be equal to the bit."""
    found: dict[str, Any] = {
        "torch": torch.__version__,
        "device": device.type,
        "device_name": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "default_dtype": str(torch.get_default_dtype()).removeprefix("torch."),
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "matmul_precision": torch.get_float32_matmul_precision(),
        "world_size": world_size,
    }
    if device.type == "cuda":
        found |= {
            "device_name": torch.cuda.get_device_name(device),
            "device_capability": ".".join(map(str, torch.cuda.get_device_capability(device))),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
            "tf32": torch.backends.cuda.matmul.allow_tf32,
        }
    return found
