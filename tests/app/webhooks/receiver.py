"""A receiver on loopback, with a mood."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def is_signed_by(self, secret: str) -> bool:
        """As the specification of Standard Webhooks has it, written down a second time."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = b".".join([self.id.encode(), self.headers["webhook-timestamp"].encode(), self.body])
        wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        fresh = abs(int(self.headers["webhook-timestamp"]) - time.time()) < 30
        return fresh and hmac.compare_digest(wanted, self.headers["webhook-signature"])


@dataclass
class Receiver:
    url: str = ""
    status: int = 200
    answer: bytes = b"thanks"
    headers: dict[str, str] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)

    def wait(self, count: int, seconds: float = 60.0) -> list[Received]:
        deadline = time.monotonic() + seconds
        while len(self.received) < count:
            assert time.monotonic() < deadline, f"only {len(self.received)} of {count} came"
            time.sleep(0.02)
        return self.received


@contextmanager
def receiving() -> Iterator[Receiver]:
    mood = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            mood.received.append(Received({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(mood.status)
            for name, value in mood.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(mood.answer)))
            self.end_headers()
            self.wfile.write(mood.answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    mood.url = f"http://127.0.0.1:{server.server_address[1]}/hook?a=1"
    yield mood
    server.shutdown()
    thread.join()
    server.server_close()
