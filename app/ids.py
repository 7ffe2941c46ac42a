"""Public ids: a prefix and a ULID, 26 characters of Crockford base 32 ordered by time (48 bits of ms, 80 random)."""

import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str) -> str:
    """`new_id("job")` -> "job_01k…"; two ids made in different milliseconds sort by age."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return prefix + "_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -5, -5))
