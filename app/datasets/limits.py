"""How large an upload may be, stored and decoded, and what its processing may cost."""

from dataclasses import dataclass

GIB = 2**30
RATIO_FROM_BYTES = 64 * 2**20  # below it any ratio is harmless
MAX_RATIO = 200
MAX_COLUMNS = 10_000
MAX_CLASSES = 10_000
MAX_FIELD_BYTES = 2**20
MAX_LINE_BYTES = 16 * 2**20
MAX_MEMBERS = 200_000
MAX_PIXELS = 2**26
MAX_HEADER_BYTES = 10_000


@dataclass(frozen=True)
class Limits:
    """Bytes as stored and as arrays in memory, rows; seconds and memory of the process that looks at them."""

    decoded_bytes: int = 64 * GIB
    rows: int = 2**31 - 1
    seconds: int = 300
    memory_bytes: int = 4 * GIB
    """Address space, not only what is touched: pyarrow and numpy reserve more than they use."""
