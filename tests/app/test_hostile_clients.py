"""Clients that take more than their share, over real HTTP: each is refused or let go, and its neighbours are served."""

import asyncio
import gzip
import json
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest

from app import gate
from tests.app.conftest import Api
from tests.app.datasets import files
from tests.app.datasets.test_hostile import npy, npy_header, png_header
from tests.app.weights.files import with_header

STREAMS = 500
SECONDS = 60.0
MANY = 2**27


def host(address: str) -> tuple[str, int]:
    name, _, port = address.removeprefix("http://").partition(":")
    return name, int(port)


@pytest.fixture
def neighbour(api: Api, address: str) -> Iterator[Callable[[], None]]:
    """Whoever is there besides still gets an answer, and from the same process."""
    with httpx.Client(base_url=address, headers={"authorization": f"Bearer {api.key}"}, timeout=SECONDS) as client:

        def ask() -> None:
            assert client.get("/v1/jobs").status_code == 200

        ask()
        yield ask


def send(address: str, head: str, *parts: bytes) -> bytes:
    """What a server says to a request that nobody else would send."""
    with socket.create_connection(host(address), timeout=SECONDS) as line:
        line.sendall(head.encode())
        try:
            for part in parts:
                line.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has heard enough
        try:
            return line.recv(65536)
        except ConnectionResetError:
            return b""


def request(api: Api, path: str, *headers: str) -> str:
    lines = ["host: x", f"authorization: Bearer {api.key}", "content-type: application/json", *headers]
    return f"POST {path} HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n"


def test_a_body_that_is_too_large(api: Api, address: str, neighbour: Callable[[], None]) -> None:
    claimed = send(address, request(api, "/v1/jobs", f"content-length: {2**40}"))
    assert claimed.startswith(b"HTTP/1.1 413")
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    endless = send(address, request(api, "/v1/jobs", "transfer-encoding: chunked"), *[chunk] * 100)
    assert endless.startswith(b"HTTP/1.1 413") or endless == b""
    assert send(address, request(api, "/v1/jobs", "content-length: -1")).startswith(b"HTTP/1.1 4")
    neighbour()


def test_a_body_that_does_not_come(
    api: Api, address: str, neighbour: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "BODY_SECONDS", 0.3)
    head = request(api, "/v1/jobs", "content-length: 100")
    for path in ("/v1/jobs", "/v1/datasets", "/v1/weights"):
        assert send(address, head.replace("/v1/jobs", path), b"{").startswith(b"HTTP/1.1 422")
    neighbour()


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[" * 100_000 + "]" * 100_000, "1" * 3_000_000])
def test_json_that_is_deep_or_long(api: Api, address: str, neighbour: Callable[[], None], text: str) -> None:
    body = text.encode()
    for path in ("/v1/jobs", "/v1/sweeps", "/v1/keys", "/v1/previews/schedule"):
        answer = send(address, request(api, path, f"content-length: {len(body)}"), body)
        assert answer.startswith(b"HTTP/1.1 422"), answer[:300]
    neighbour()


def lying_idx() -> bytes:
    return gzip.compress(struct.pack(">BBBBIII", 0, 0, 8, 3, 2**31, 2**15, 2**15) + bytes(1000))


BOMBS: dict[str, Callable[[], tuple[str, dict[str, tuple[str, bytes]]]]] = {
    "zip": lambda: ("images", {"file": ("a.zip", files.zipped({"cat/a.png": png_header(2**16, 2**16)}))}),
    "zip of zeros": lambda: ("images", {"file": ("a.zip", files.zipped({"cat/a.png": bytes(MANY)}))}),
    "npz": lambda: ("npz", {"file": ("a.npz", files.zipped({"x.npy": npy(npy_header((MANY // 8,))) + bytes(MANY)}))}),
    "parquet": lambda: (
        "parquet",
        {"file": ("a.parquet", files.table({"t": pa.DictionaryArray.from_arrays([0] * 2**17, ["x" * 2**20])}))},
    ),
    "csv": lambda: ("csv", {"file": ("a.csv", b"x,y\n" + b"1" * (20 * 2**20) + b",2\n")}),
    "idx": lambda: (
        "idx",
        {"images": ("images.gz", lying_idx()), "labels": ("labels", files.idx(np.zeros(2, "u1")))},
    ),
    "jsonl": lambda: ("jsonl", {"file": ("a.jsonl", b'{"text": "' + b"x" * (20 * 2**20) + b'", "label": 1}\n')}),
    "vectors": lambda: ("vectors", {"file": ("a.txt", b"word" + b" 1" * (10 * 2**20) + b"\n")}),
    "safetensors": lambda: ("", {"file": ("a", struct.pack("<Q", 2**60) + b"{")}),
    "safetensors of air": lambda: (
        "",
        {"file": ("a", with_header({"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}))},
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_of_each_format(
    api: Api, address: str, store: Path, neighbour: Callable[[], None], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESCENT_UPLOAD_MEMORY_BYTES", str(3 * 2**30))
    format, parts = BOMBS[name]()
    path, fields = ("/v1/datasets", {"name": "bomb", "format": format}) if format else ("/v1/weights", {})
    fields |= {"target": "y"} if format == "csv" else {}

    async def both() -> tuple[httpx.Response, httpx.Response]:
        headers = {"authorization": f"Bearer {api.key}"}
        async with httpx.AsyncClient(base_url=address, headers=headers, timeout=5 * SECONDS) as client:
            good = {"file": ("iris.csv", files.IRIS.encode())}
            return await asyncio.gather(
                client.post(path, data=fields, files=parts),
                client.post("/v1/datasets", data={"name": "good", "target": "species"}, files=good),
            )

    refused, accepted = asyncio.run(both())
    assert refused.status_code in (413, 422), refused.text
    assert refused.json()["detail"]
    assert accepted.status_code == 201, accepted.text
    neighbour()
    assert not list((store / "uploads").glob("*"))


async def open_stream(address: str, path: str, key: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(*host(address))
    writer.write(f"GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    assert b"200 OK" in head, head
    return reader, writer


@pytest.mark.slow
def test_five_hundred_streams_hear_of_an_epoch(
    api: Api,
    address: str,
    neighbour: Callable[[], None],
    run_job: Callable[..., None],
    add_epoch: Callable[..., int],
) -> None:
    """One process answers all, and whoever asks besides."""
    job: str = api.submit()["id"]
    run_job(job)
    told: list[dict[str, Any]] = []

    async def hear(reader: asyncio.StreamReader) -> None:
        while True:
            frame = await reader.readuntil(b"\n\n")
            if b"event: epoch" in frame:
                told.append(json.loads(frame.partition(b"data: ")[2].splitlines()[0]))
                return

    async def all_of_them() -> None:
        path = f"/v1/jobs/{job}/stream"
        opened = [await open_stream(address, path, api.key) for _ in range(STREAMS)]
        hearing = [asyncio.create_task(hear(reader)) for reader, _ in opened]
        await asyncio.to_thread(neighbour)
        await asyncio.to_thread(add_epoch, job, 1)
        async with asyncio.timeout(2 * SECONDS):
            await asyncio.gather(*hearing)
        await asyncio.to_thread(neighbour)
        for _, writer in opened:
            writer.close()

    asyncio.run(all_of_them())
    assert [row["epoch"] for row in told] == [1] * STREAMS


def test_a_client_that_does_not_read_holds_nobody_up(
    api: Api, address: str, neighbour: Callable[[], None], add_epoch: Callable[..., int]
) -> None:
    job: str = api.submit()["id"]
    add_epoch(job, 1)
    with socket.create_connection(host(address), timeout=SECONDS) as silent:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        head = f"GET /v1/jobs/{job}/stream HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {api.key}\r\n\r\n"
        silent.sendall(head.encode())
        for epoch in range(2, 30):
            add_epoch(job, epoch, metrics={f"m{number}": 0.5 for number in range(500)})
        neighbour()
        assert len(api.get(f"/v1/jobs/{job}/epochs").json()["data"]) == 29


def test_a_read_is_not_the_write_before_it_on_its_connection(api: Api, address: str) -> None:
    """A client that sends its next request before it has the answer: the server begins it where the last one ended."""
    lines = f"host: x\r\nauthorization: Bearer {api.key}\r\n"
    body = b'{"name": "x", "projects": ["%s"], "scopes": ["read"]}' % api.project_id.encode()
    write = f"POST /v1/keys HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body
    read = f"GET /v1/usage HTTP/1.1\r\n{lines}\r\n".encode()
    last = f"GET /v1/jobs HTTP/1.1\r\n{lines}connection: close\r\n\r\n".encode()
    with socket.create_connection(host(address), timeout=SECONDS) as line:
        line.sendall(write + read + last)
        heard = b""
        while piece := line.recv(65536):
            heard += piece
    assert [part[:3] for part in heard.split(b"HTTP/1.1 ")[1:]] == [b"201", b"200", b"200"]
    assert [entry["path"] for entry in api.get("/v1/audit").json()["data"]] == ["/v1/keys"]
