"""How much memory a model takes at the least, by the dry run's numbers: what cannot fit is not built."""

from collections.abc import Mapping
from typing import Any

UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def least_bytes(model: Mapping[str, Any]) -> int:
    """Weights, their gradients, and the optimizer's state; activations come on top, as the batch goes."""
    trained = model.get("trainable_parameters", 0) / max(1, model.get("parameters", 1))
    weights = int(model.get("parameter_bytes", 0))
    return weights + int(weights * trained) + int(model.get("optimizer_bytes", 0))


def refusal(needed: int, limit: int) -> str:
    return f"takes at least {shown(needed)} of memory to train; a job may have {shown(limit)}"


def shown(count: float) -> str:
    """`1.5 GiB`."""
    for unit in UNITS:
        if count < 1024 or unit == UNITS[-1]:
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
