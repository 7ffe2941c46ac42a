"""What the client does when the service, or the way to it, is not well."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from descent import Client
from descent.errors import DescentError, NotFound, NotReachable, TooManyRequests, Unavailable, api_error
from tests.descent.conftest import SPEC, Address

Problem = TypeVar("Problem", bound=DescentError)
Answer = Callable[[int, bytes], bytes | None]
"""From the number of the connection and the request to the bytes sent back; None cuts the line."""


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """A server on a loopback port that answers one request a connection; its address."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        number = 0
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                reply = answer(number, receive(connection))
                if reply is not None:
                    connection.sendall(reply)
            number += 1

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def receive(connection: socket.socket) -> bytes:
    """One whole request: the head, then as much as its content-length says."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    missing = (int(lengths[0].split(b":")[1]) if lengths else 0) - len(body)
    while missing > 0:
        piece = connection.recv(65536)
        received, missing = received + piece, missing - len(piece)
    return received


def reply(status: int, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} x", "connection: close", f"content-length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def forward(address: Address, request: bytes) -> bytes:
    """The real service's whole answer."""
    host, _, port = address.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(request.replace(b"keep-alive", b"close"))
        found = b""
        while piece := connection.recv(65536):
            found += piece
    return found


def test_a_submit_whose_answer_is_lost_makes_one_job(address: Address, client: Client) -> None:
    def cut_the_first(number: int, request: bytes) -> bytes | None:
        found = forward(address, request)
        return found if number > 0 else None

    with answering(cut_the_first) as url, Client(url, address.key) as cut:
        made = cut.submit(SPEC)
    assert [job["id"] for job in client.jobs()] == [made["id"]]


def test_503_is_tried_again_and_told() -> None:
    told: list[tuple[str, float]] = []

    def later(number: int, request: bytes) -> bytes:
        problem = json.dumps(
            {"title": "Away", "detail": "The database is away.", "code": "unavailable", "request_id": "req_1"}
        ).encode()
        return reply(200, b'{"data": []}') if number == 2 else reply(503, problem)

    def tell(error: DescentError, pause: float) -> None:
        told.append((str(error), pause))

    with answering(later) as url, Client(url, "dsk_x", on_retry=tell) as client:
        assert client.workers() == []
    assert [text for text, _ in told] == ["The database is away. (HTTP 503, request req_1)"] * 2
    assert all(0.05 <= pause <= 0.2 for _, pause in told)


def test_patience_ends() -> None:
    started = time.monotonic()
    with answering(lambda *_: reply(503, b"{}")) as url, Client(url, "dsk_x", patience=0.5) as client:
        refuses(client, Unavailable, "HTTP 503")
    assert time.monotonic() - started < 30
    with answering(lambda *_: reply(429, b"{}", "retry-after: 60")) as url, Client(url, "dsk_x") as client:
        assert refuses(client, TooManyRequests, "HTTP 429").retry_after == 60


def refuses(client: Client, kind: type[Problem], said: str) -> Problem:
    with pytest.raises(kind, match=said) as caught:
        client.workers()
    return caught.value


def test_what_may_not_be_repeated_is_not() -> None:
    seen: list[bytes] = []

    def cut(number: int, request: bytes) -> None:
        seen.append(request)

    with answering(cut) as url, Client(url, "dsk_x") as client, pytest.raises(NotReachable):
        client.delete("job_x")
    assert len(seen) == 1
    assert b"authorization: Bearer dsk_x" in seen[0] or b"Authorization: Bearer dsk_x" in seen[0]


def test_another_server_is_noticed() -> None:
    with answering(lambda *_: reply(200, b"<html>")) as url, Client(url, "dsk_x") as client:
        refuses(client, NotReachable, "does not answer as Descent does")
    with answering(lambda *_: reply(404, b"<html>")) as url, Client(url, "dsk_x") as client:
        refuses(client, NotFound, "HTTP 404")


def test_a_spec_with_nan_is_refused_here() -> None:
    with Client("http://127.0.0.1:9", "dsk_x") as client, pytest.raises(DescentError, match="cannot be sent as JSON"):
        client.submit({"seed": float("nan")})


def test_many_errors_are_one_line() -> None:
    errors = [{"pointer": f"/a/{n}", "detail": "is\nwrong"} for n in range(8)]
    error = api_error(422, {"title": "Wrong", "detail": "The spec is wrong.", "errors": errors})
    assert str(error) == "; ".join(f"/a/{n} is wrong" for n in range(5)) + "; and 3 more"
    failure = api_error(500, {"title": "Internal error", "detail": "Sorry.", "request_id": "req_1"})
    assert str(failure) == "Sorry. (HTTP 500, request req_1)"
