"""One POST to a receiver that is not trusted: a pinned address, no redirects, little time, and little read of it."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from app.webhooks.addresses import PORTS, Refused, resolve, split

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
"""From the connection to the answer's last byte, however slowly it drips."""
EXCERPT_BYTES = 1024


@dataclass(frozen=True)
class Answer:
    """What a receiver said; without a status code, why it said nothing."""

    status_code: int | None
    error: str | None = None
    excerpt: str | None = None
    duration_ms: int = 0

    @property
    def accepted(self) -> bool:
        return self.status_code is not None and 200 <= self.status_code < 300


def post(url: str, headers: Mapping[str, str], body: bytes) -> Answer:
    """Never raises for what the network or the receiver does."""
    started = time.monotonic()
    try:
        status, excerpt = exchange(url, headers, body)
    except Refused as refused:
        return Answer(None, str(refused), None, since(started))
    except TimeoutError:
        return Answer(None, "The receiver took too long.", None, since(started))
    except socket.gaierror:
        return Answer(None, "The host's name is unknown.", None, since(started))
    except ssl.SSLError as error:
        return Answer(None, f"TLS failed: {error.reason or type(error).__name__}", None, since(started))
    except (OSError, http.client.HTTPException, ValueError) as error:
        late = since(started) >= TOTAL_SECONDS * 1000
        reason = "The receiver took too long." if late else f"No answer: {type(error).__name__}"
        return Answer(None, reason, None, since(started))
    said = None if 200 <= status < 300 else f"The receiver answered {status}."
    if 300 <= status < 400:
        said = f"The receiver answered {status}; redirects are not followed."
    return Answer(status, said, excerpt, since(started))


def since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def exchange(url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
    """Status and the beginning of the answer."""
    parts, host, port = split(url)
    addresses = resolve(parts.scheme, host, port)
    shown = f"[{host}]" if ":" in host else host
    sent = {**headers, "host": shown if port == PORTS[parts.scheme] else f"{shown}:{port}", "connection": "close"}
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with connected(parts.scheme, host, addresses, port) as stream:
        connection = http.client.HTTPConnection(host, port)
        connection.sock = stream  # connected already: nothing looks the name up a second time
        connection.request("POST", target.encode("ascii", "replace").decode(), body, sent)
        response = connection.getresponse()
        excerpt = response.read(EXCERPT_BYTES).decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
        return response.status, excerpt


@contextmanager
def connected(scheme: str, host: str, addresses: list[str], port: int) -> Iterator[socket.socket]:
    """A connection to the first address that takes one, cut when the time is up."""
    raw = connect(addresses, port)
    raw.settimeout(TOTAL_SECONDS)
    # A timeout is for one byte: whoever drips them has no other end. The twin outlives TLS taking the socket over.
    twin = raw.dup()
    watch = threading.Timer(TOTAL_SECONDS, cut, [twin])
    watch.daemon = True
    watch.start()
    stream = raw
    try:
        if scheme == "https":
            stream = ssl.create_default_context().wrap_socket(raw, server_hostname=host)
        yield stream
    finally:
        watch.cancel()
        for end in (stream, raw, twin):
            end.close()


def cut(connection: socket.socket) -> None:
    """Both directions end now, whoever reads or writes."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def connect(addresses: list[str], port: int) -> socket.socket:
    last: OSError = OSError("no address")
    for address in addresses[:3]:
        try:
            return socket.create_connection((address, port), timeout=CONNECT_SECONDS)
        except OSError as error:
            last = error
    raise last
