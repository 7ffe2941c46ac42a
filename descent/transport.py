"""HTTP to the service: the key, patience with a service that is away, problems as exceptions."""

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, TypeAlias
from urllib.parse import urlsplit

import httpx

from descent.connection import Connection
from descent.errors import APIError, DescentError, NotReachable, api_error
from descent.numbers import decode

Parameter: TypeAlias = str | int | float | bool | None
Query: TypeAlias = Mapping[str, Parameter | Sequence[Parameter]]
OnRetry: TypeAlias = Callable[[DescentError, float], None]

PASSING = frozenset({429, 502, 503, 504})
"""Statuses that another try may not meet again."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 3.0


@dataclass(frozen=True)
class Failure:
    """Why a request got no good reply, and whether another try may."""

    error: DescentError
    passing: bool = False
    received_nothing: bool = False
    retry_after: float | None = None


class Transport:
    """One connection pool. `patience` is how many seconds a request may be tried again for."""

    def __init__(
        self,
        connection: Connection,
        timeout: float,
        patience: float,
        on_retry: OnRetry | None = None,
        project: str | None = None,
    ) -> None:
        self.connection = connection
        self.timeout = timeout
        self.patience = patience
        self.on_retry = on_retry
        headers = {"Authorization": f"Bearer {connection.api_key}", "User-Agent": "descent-python"}
        if project is not None:
            headers["Descent-Project"] = project
        self._http = httpx.Client(
            base_url=connection.url,
            headers=headers,
            timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0)),
            trust_env=urlsplit(connection.url).hostname not in LOOPBACK,  # a proxy cannot reach this machine's loopback
        )

    def close(self) -> None:
        self._http.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
        hold: float = 0.0,
        patience: float | None = None,
    ) -> httpx.Response:
        """The reply, or an APIError. `hold` is how long the service may keep the request waiting, in seconds.

        One that is not `repeatable` is tried again only when it cannot have been received.
        """
        content: dict[str, Any] = {"params": clean(query), "json": body, "headers": dict(headers or {})}
        return self._send(method, path, content, repeatable, hold, self.patience if patience is None else patience)

    def upload(
        self, path: str, fields: Mapping[str, str], files: Mapping[str, tuple[str, IO[bytes]]], *, hold: float
    ) -> httpx.Response:
        """A multipart form, its files read as they are sent."""
        return self._send("POST", path, {"data": dict(fields), "files": dict(files)}, False, hold, self.patience)

    def _send(
        self, method: str, path: str, content: dict[str, Any], repeatable: bool, hold: float, patience: float
    ) -> httpx.Response:
        timeout = httpx.Timeout(self.timeout + hold, connect=min(self.timeout, 10.0))
        deadline = time.monotonic() + patience
        tried = 0
        while isinstance(reply := self._try(method, path, {**content, "timeout": timeout}), Failure):
            pause = reply.retry_after or backoff(tried)
            possible = reply.received_nothing or (repeatable and reply.passing)
            if not possible or time.monotonic() + pause > deadline:
                raise reply.error
            if self.on_retry is not None:
                self.on_retry(reply.error, pause)
            time.sleep(pause)
            tried += 1
        return reply

    def _try(self, method: str, path: str, content: dict[str, Any]) -> "httpx.Response | Failure":
        try:
            response = self._http.request(method, path, **content)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            return Failure(self._not_reachable(error), received_nothing=True)
        except httpx.TransportError as error:
            return Failure(self._not_reachable(error), passing=True)
        except (TypeError, ValueError) as error:
            raise DescentError(f"the body cannot be sent as JSON: {error}") from None
        if response.is_success or response.status_code == 304:
            return response
        problem = problem_of(response)
        in_flight = problem.code == "in_flight" and "Idempotency-Key" in response.request.headers
        passing = response.status_code in PASSING or in_flight
        return Failure(problem, passing=passing, retry_after=problem.retry_after)

    def _not_reachable(self, error: httpx.TransportError) -> NotReachable:
        reason = str(error).rstrip(".") or type(error).__name__
        return NotReachable(f"no answer from {self.connection.url}: {reason}")

    def get(self, path: str, query: Query | None = None, **options: Any) -> Any:
        """The JSON document."""
        return document(self.request("GET", path, query=query, **options))

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        return document(self.request("POST", path, body=body, **options))

    @contextmanager
    def stream(
        self, path: str, *, query: Query | None = None, headers: Mapping[str, str] | None = None, silence: float = 60.0
    ) -> Iterator[httpx.Response]:
        """A reply that is read piece by piece; not tried again. `silence` seconds without a byte end it."""
        timeout = httpx.Timeout(self.timeout, read=silence)
        try:
            with self._http.stream("GET", path, params=clean(query), headers=dict(headers or {}), timeout=timeout) as r:
                if not r.is_success:
                    r.read()
                    raise problem_of(r)
                yield r
        except httpx.TransportError as error:
            raise self._not_reachable(error) from None


class Routes:
    """What the groups of routes share."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport


def clean(query: Query | None) -> dict[str, Any]:
    """Without what was not given; truth values as the API reads them."""
    words: dict[Any, Any] = {True: "true", False: "false"}
    return {
        key: words[value] if isinstance(value, bool) else value
        for key, value in (query or {}).items()
        if value is not None and value != []
    }


def backoff(tried: int) -> float:
    """0.1 s, doubling up to 3 s, each somewhere between half and the whole of it."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(tried, 10)) * random.uniform(0.5, 1.0)


def document(response: httpx.Response) -> Any:
    """The JSON of a reply, with real floats for NaN and the infinities."""
    try:
        return decode(response.content)
    except ValueError as error:
        raise NotReachable(f"{response.url} does not answer as Descent does: {error}") from None


def problem_of(response: httpx.Response) -> APIError:
    """The problem document, also of a proxy that has its own idea of one."""
    try:
        found = json.loads(response.content)
    except ValueError:
        found = None
    problem = found if isinstance(found, dict) else {"title": f"HTTP {response.status_code} {response.reason_phrase}"}
    return api_error(response.status_code, problem, seconds(response.headers.get("retry-after")))


def seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdigit() else None
