"""One forked trainer as its supervisor sees it: reports and stderr come in, requests go out, and one day it exits."""

import contextlib
import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Iterator
from typing import Any

CHUNK_BYTES = 1 << 16
LAST_WORDS_SECONDS = 2.0
"""How long after its exit a trainer's pipes are read at most: something it started may hold them open."""

News = dict[str, Any] | bytes
"""A report, or a piece of stderr."""


class Trainer:
    """Asked of the warm parent over `channel`; it dies when this object is closed or its process ends."""

    def __init__(self, channel: socket.socket, order: dict[str, Any]) -> None:
        self._control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._reports, reports = socket.socketpair()
        self._stderr, stderr = os.pipe()
        try:
            socket.send_fds(channel, [b"fork"], [control.fileno(), reports.fileno(), stderr])
        finally:
            control.close()
            reports.close()
            os.close(stderr)
        self._outgoing = bytearray(json.dumps(order).encode() + b"\n")
        self._incoming = bytearray()
        self._selector = selectors.DefaultSelector()
        for end in (self._control.fileno(), self._reports.fileno(), self._stderr):
            os.set_blocking(end, False)
            self._selector.register(end, selectors.EVENT_READ)
        self._open = {self._reports.fileno(), self._stderr}
        self._exited_at: float | None = None
        self._muted = False
        self._watch_reports()
        self.pid: int | None = None
        self.status: int | None = None
        """As waitpid tells it; None while it lives, and when its warm parent has died."""

    @property
    def gone(self) -> bool:
        """It has exited, and all that it said has been read."""
        if self._exited_at is None:
            return False
        return not self._open or time.monotonic() - self._exited_at > LAST_WORDS_SECONDS

    def ask(self, request: str) -> None:
        self._outgoing += request.encode() + b"\n"
        self._watch_reports()

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            self._control.send(b"kill")

    def mute(self, muted: bool) -> None:
        """Let the trainer wait with its reports while they cannot be written down."""
        if muted != self._muted:
            self._muted = muted
            self._watch_reports()

    def poll(self, seconds: float) -> Iterator[News]:
        """What came in, waiting for it at most so long."""
        for key, events in self._selector.select(seconds):
            if key.fd == self._reports.fileno():
                if events & selectors.EVENT_WRITE:
                    self._send()
                if events & selectors.EVENT_READ:
                    yield from self._read_reports()
            elif key.fd == self._control.fileno():
                self._hear()
            else:
                yield from self._read_stderr()

    def close(self) -> None:
        """The warm parent kills a trainer whose requester has closed."""
        self._selector.close()
        self._control.close()
        self._reports.close()
        os.close(self._stderr)

    def _watch_reports(self) -> None:
        end = self._reports.fileno()
        events = selectors.EVENT_WRITE if self._outgoing else 0
        events |= 0 if self._muted else selectors.EVENT_READ
        with contextlib.suppress(KeyError):
            self._selector.unregister(end)
        if events and end in self._open:
            self._selector.register(end, events)

    def _send(self) -> None:
        try:
            del self._outgoing[: self._reports.send(self._outgoing)]
        except BlockingIOError:
            return
        except OSError:
            self._outgoing.clear()  # it is dead: reading will say so
        self._watch_reports()

    def _read_reports(self) -> Iterator[News]:
        try:
            piece = self._reports.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._shut(self._reports.fileno())
            return
        self._incoming += piece
        *lines, rest = self._incoming.split(b"\n")
        self._incoming = bytearray(rest)
        yield from (json.loads(line) for line in lines)

    def _read_stderr(self) -> Iterator[News]:
        piece = os.read(self._stderr, CHUNK_BYTES)
        if piece:
            yield piece
        else:
            self._shut(self._stderr)

    def _shut(self, end: int) -> None:
        self._selector.unregister(end)
        self._open.discard(end)

    def _hear(self) -> None:
        """`pid N`, `exit N`, or the end of the warm parent, which takes its trainers along."""
        try:
            message = self._control.recv(64).decode()
        except BlockingIOError:
            return
        except OSError:
            message = ""
        word, _, number = message.partition(" ")
        if word == "pid":
            self.pid = int(number)
            return
        if word == "exit":
            self.status = int(number)
        self._exited_at = time.monotonic()
        self._selector.unregister(self._control.fileno())
        self.mute(False)


def describe(status: int | None) -> str:
    """How a trainer ended, for people."""
    if status is None:
        return "the trainer's parent process died, and the trainer with it"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        with contextlib.suppress(ValueError):
            return f"the trainer was killed by {signal.Signals(number).name}"
        return f"the trainer was killed by signal {number}"
    return f"the trainer exited with status {os.waitstatus_to_exitcode(status)} before its end"
