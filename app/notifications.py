"""News of jobs, pushed: one LISTEN connection for each API process wakes whoever waits, and nothing polls."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import psycopg

from app.settings import get_settings

logger = logging.getLogger(__name__)

T = TypeVar("T")

JOB_CHANNEL = "descent_job"
KEY_CHANNEL = "descent_key"
EVERYTHING = "*"
"""The topic that hears of every job."""
RECONNECT_SECONDS = 1.0
FALLBACK_SECONDS = 15.0
"""A waiter looks again this often, for the news that no connection brought."""
DEAF_SECONDS = 1.0
"""The same while the connection is away."""
ALIVE_SECONDS = 2.0
"""So often the connection is tried out where nothing is heard."""
SILENT_SECONDS = 8.0
"""A connection from which nothing has come for so long is taken for cut."""


class Notifications:
    """Topics are job ids; each waiter is an event that the listener sets."""

    def __init__(self) -> None:
        self._waiters: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self.listening = asyncio.Event()
        self.on_key: Callable[[], None] = lambda: None
        """Called when some key was changed."""
        self.on_job: Callable[[str], None] = lambda job_id: None
        """Called with every piece of news of a job, before those who wait for it."""
        self.on_deaf: Callable[[], None] = lambda: None
        """Called when the connection is lost: what happens from now on is not heard of."""
        self._heard_at = 0.0

    def start(self) -> None:
        self._task = asyncio.create_task(self._listen_for_ever())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def hears(self) -> bool:
        """Whether what is committed now is heard of."""
        return self.listening.is_set() and time.monotonic() - self._heard_at < SILENT_SECONDS

    @contextmanager
    def subscribe(self, topic: str) -> Iterator[asyncio.Event]:
        """An event that is set by every piece of news. Subscribe first and look afterwards, so that none is missed."""
        news = asyncio.Event()
        self._waiters[topic].add(news)
        try:
            yield news
        finally:
            waiters = self._waiters[topic]
            waiters.discard(news)
            if not waiters:
                del self._waiters[topic]

    async def hold(
        self,
        topic: str,
        seconds: float,
        look: Callable[[], Awaitable[tuple[bool, T]]],
        *,
        recheck_seconds: float | None = None,
    ) -> T:
        """What `look` finds: at once when it says so, else after news that satisfy it, or when the time is up.

        With `recheck_seconds`, news that did not satisfy are looked at again after that time, then after twice as long.
        """
        deadline = time.monotonic() + seconds
        patience = seconds
        with self.subscribe(topic) as news:
            while True:
                news.clear()
                satisfied, found = await look()
                left = deadline - time.monotonic()
                if satisfied or left <= 0:
                    return found
                heard = await self.wait(news, min(left, patience))
                if recheck_seconds is not None:
                    patience = recheck_seconds if heard else 2 * patience

    async def wait(self, news: asyncio.Event, seconds: float) -> bool:
        """Until there is news (True), or it is time to look anyway."""
        patience = FALLBACK_SECONDS if self.listening.is_set() else DEAF_SECONDS
        with suppress(TimeoutError):
            async with asyncio.timeout(min(seconds, patience)):
                return await news.wait()
        return False

    def wake(self, topic: str) -> None:
        self.on_job(topic)
        for heard in (topic, EVERYTHING):
            for news in self._waiters.get(heard, ()):
                news.set()

    def wake_all(self) -> None:
        self.on_key()
        for waiters in self._waiters.values():
            for news in waiters:
                news.set()

    async def _listen_for_ever(self) -> None:
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError, ValueError, TimeoutError) as error:
                logger.warning("the listening connection is away: %s", type(error).__name__)
            finally:
                self.listening.clear()
                self.on_deaf()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen(self) -> None:
        url = get_settings().database_url
        async with await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=10) as connection:
            for channel in (JOB_CHANNEL, KEY_CHANNEL):
                await connection.execute(f"LISTEN {channel}".encode())
            self._heard_at = time.monotonic()
            self.listening.set()
            self.wake_all()  # something may have happened while nobody listened
            while True:
                async for notice in connection.notifies(timeout=ALIVE_SECONDS):
                    self._heard_at = time.monotonic()
                    if notice.channel == KEY_CHANNEL:
                        self.on_key()
                    else:
                        self.wake(notice.payload)
                async with asyncio.timeout(SILENT_SECONDS):
                    await connection.execute("SELECT 1")  # a connection cut in silence shows itself
                self._heard_at = time.monotonic()
