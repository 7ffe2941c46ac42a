"""Ringing without waiting: a broker that is away takes seconds to say so, and no reply is held up for it."""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from app.queue import ring


@lru_cache
def _ringers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=2, thread_name_prefix="doorbell")


def ring_soon(queue: str) -> None:
    """To be called after the commit; what is not rung now, the sweeper rings again."""
    _ringers().submit(ring, queue)
