"""The network between a worker host and Postgres: a relay that can be cut, or swallow what is sent."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


class Proxy:
    """Listens on a Unix socket in `folder`, under the name that Postgres clients look for, and relays to `target`."""

    def __init__(self, target: Path, folder: Path) -> None:
        folder.mkdir(parents=True)
        folder.chmod(0o755)
        self.folder = folder
        self._target, self._path = str(target), str(folder / target.name)
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._is_cut = False
        self._marker: bytes | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def cut(self) -> None:
        """Every connection is reset, and a new one is refused."""
        self._loop.call_soon_threadsafe(self._cut)

    def stall(self) -> None:
        """What is sent arrives once the network is whole again: a late packet of a host that was given up."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def lose_answer(self, marker: bytes) -> None:
        """Of one COMMIT: the next one on a connection over which `marker` was sent. It is done, and nobody is told."""
        self._marker = marker

    @property
    def lost(self) -> bool:
        return self._marker is None

    def heal(self) -> None:
        self._loop.call_soon_threadsafe(self._heal)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._flowing.set()
        server = self._loop.run_until_complete(asyncio.start_unix_server(self._serve, self._path))
        self._started.set()
        self._loop.run_forever()
        server.close()
        while tasks := asyncio.all_tasks(self._loop):
            self._heal()
            self._cut()  # each ends with its connection
            self._loop.run_until_complete(asyncio.wait(tasks, timeout=0.1))

    def _cut(self) -> None:
        self._is_cut = True
        for writer in list(self._open):
            writer.transport.abort()

    def _heal(self) -> None:
        self._is_cut = False
        self._flowing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            to_reader, to_writer = await asyncio.open_unix_connection(self._target)
        except OSError:  # Postgres is away
            writer.transport.abort()
            return
        watch = CommitWatch(self)
        await asyncio.gather(self._pump(reader, to_writer, watch.asked), self._pump(to_reader, writer, watch.answers))

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, passes: Callable[[bytes], bool]
    ) -> None:
        self._open.add(sink)
        try:
            with suppress(OSError):
                while (data := await source.read(65536)) and passes(data):
                    await self._flowing.wait()
                    sink.write(data)
                    await sink.drain()
        finally:
            self._open.discard(sink)
            sink.close()


class CommitWatch:
    """Of one connection: whether the answer on its way is the one to be lost."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._marked = self._committing = False

    def asked(self, data: bytes) -> bool:
        if self._proxy._marker is not None:
            self._marked = self._marked or self._proxy._marker in data
            self._committing = self._marked and b"COMMIT" in data
        return True

    def answers(self, data: bytes) -> bool:
        if self._committing:
            self._committing = False
            self._proxy._marker = None
            return False
        return True
