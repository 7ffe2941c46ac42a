"""What every request passes before a route sees it: an id, a key, a limit on its body; and what every reply carries."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from anyio import to_thread
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app import problems
from app.dashboard.files import open_paths
from app.database import ProjectSession, current_key
from app.errors import PayloadTooLarge, ServiceError, Unauthorized, Unavailable
from app.ids import new_id
from app.logs import request_id
from app.operating import metrics
from app.projects import service as projects
from app.projects import tokens
from app.projects.audit import Write, current_write
from app.projects.principals import Principal, remembered
from app.projects.quotas import rates
from app.replies import Replies
from app.settings import get_settings

logger = logging.getLogger("descent.api")

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/openapi.json"})
MAX_BODY_BYTES = 4 * 2**20
UPLOAD_PATHS = frozenset({"/v1/datasets", "/v1/models", "/v1/weights"})
"""Their bodies go to the store as they come, and have the limit of uploads."""
BODY_SECONDS = 30.0
"""A client that sends nothing of its body for this long is let go."""
KEPT = re.compile(r"/v1/jobs/(job_[0-9a-z]{26})(?:/epochs)?")
"""What is polled: its replies are kept while nothing happens to the job."""
JOB_IN_PATH = re.compile(r"^/v1/jobs/(job_[0-9a-z]{26})(?:/|$)")
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "private, no-cache",
}


class Gate:
    """ASGI middleware. 401 comes before everything that a route could say, unknown paths included."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        visit = Visit(scope, receive, send)
        token = request_id.set(visit.id)
        try:
            await visit.check()
            if not await visit.answer_from_memory():
                await self.app(scope, visit.receive, visit.send)
        except Exception as error:
            await visit.refuse(error)
        finally:
            visit.log()
            request_id.reset(token)


class Visit:
    """One request and its reply."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.id = new_id("req")
        self.scope, self._receive, self._send = scope, receive, send
        self.replies: Replies = scope["app"].state.replies
        self.writes = scope["method"] not in ("GET", "HEAD", "OPTIONS")
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.principal: Principal | None = None
        self.max_bytes = max_body_bytes(scope)
        self.status = 0
        self.received = 0
        self.whole = False
        self.started = time.perf_counter()

    async def check(self) -> None:
        """Raises Unauthorized and PayloadTooLarge."""
        if self.scope["path"] not in OPEN_PATHS | open_paths():
            self.principal = await authenticate(self.headers.get(b"authorization", b"") or self.token())
            self.scope.setdefault("state", {})["principal"] = self.principal
            tokens.check(self.principal, self.scope)
            self.note_write(self.principal)
        length = self.headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.max_bytes:
            raise too_large(self.max_bytes)

    async def answer_from_memory(self) -> bool:
        """A question about a job to which nothing has happened since it was last answered. Raises TooManyRequests."""
        caller, scope = self.principal, self.scope
        asked = KEPT.fullmatch(scope["path"]) if scope["method"] == "GET" else None
        if asked is None or caller is None or "read" not in caller.scopes:
            return False
        project = self.headers.get(b"descent-project", b"").decode("latin-1") or caller.default_project
        if project is None or not caller.may_enter(project):
            return False
        kept = self.replies.get(asked[1], (project, scope["path"], scope["query_string"]))
        if kept is None:
            return False
        if project in caller.rates:
            rates.take(project, caller.rates[project])
        scope["state"]["project"], scope["route"] = project, kept.route
        seen = kept.tag is not None and is_among(kept.tag, self.headers.get(b"if-none-match", b""))
        headers = [(b"etag", kept.tag)] if seen else kept.headers
        await self.send({"type": "http.response.start", "status": 304 if seen else 200, "headers": headers})
        await self.send({"type": "http.response.body", "body": b"" if seen else kept.body})
        return True

    def token(self) -> bytes:
        """A token may stand in the query of a GET: EventSource and links carry no header. A key may not."""
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        token = query.get("token", [""])[0]
        return b"Bearer " + token.encode() if self.scope["method"] == "GET" and token.startswith("dst_") else b""

    def note_write(self, caller: Principal) -> None:
        """Whoever commits in this request can tell the audit trail who asked for it."""
        # A read says so too: the next request of a connection may begin in the context of the one before it.
        current_key.set(caller.key_id if self.writes else "")
        write = Write(caller.key_id, self.scope["method"], self.scope["path"][:500], self.id)
        current_write.set(write if self.writes else None)

    async def receive(self) -> Message:
        if self.whole:
            return await self._receive()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                message = await self._receive()
        except TimeoutError:
            return {"type": "http.disconnect"}
        self.received += len(message.get("body", b""))
        self.whole = not message.get("more_body", False)
        if self.received > self.max_bytes:
            raise too_large(self.max_bytes)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self.writes:
                self.replies.after_write()
            self.status = message["status"]
            headers = [(name.lower(), value) for name, value in message.get("headers", [])]
            present = {name for name, _ in headers}
            extra = SECURITY_HEADERS | {"x-request-id": self.id}
            if self.scope.get("scheme") == "https":
                extra["strict-transport-security"] = "max-age=31536000"
            headers += [(k.encode(), v.encode()) for k, v in extra.items() if k.encode() not in present]
            message = {**message, "headers": headers}
        await self._send(message)

    async def refuse(self, error: Exception) -> None:
        """The problem document, unless the reply has begun."""
        problem = as_service_error(error)
        if self.status:
            return
        status, headers, body = problems.response(problem, self.scope["path"])
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self.send({"type": "http.response.start", "status": status, "headers": pairs})
        await self.send({"type": "http.response.body", "body": body})

    def log(self) -> None:
        """One line a request: never its query, its headers or its body."""
        path, seconds = self.scope["path"], time.perf_counter() - self.started
        metrics.observe(self.scope, self.status, seconds)
        fields: dict[str, Any] = {
            "method": self.scope["method"],
            "path": path[:200],
            "status": self.status,
            "duration_ms": round(seconds * 1000, 2),
        }
        if self.principal is not None:
            fields["key"] = self.principal.key_id
            fields["project"] = self.scope["state"].get("project", self.principal.default_project)
        if (job := JOB_IN_PATH.match(path)) is not None:
            fields["job"] = job[1]
        logger.info("request", extra=fields)


def is_among(tag: bytes, told: bytes) -> bool:
    """Whether `If-None-Match` names the tag."""
    return tag in [part.strip().removeprefix(b"W/") for part in told.split(b",")]


def max_body_bytes(scope: Scope) -> int:
    uploads = scope["method"] == "POST" and scope["path"] in UPLOAD_PATHS
    return MAX_BODY_BYTES + (get_settings().upload_bytes if uploads else 0)


def too_large(max_bytes: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"A body has at most {max_bytes} bytes.")


async def authenticate(authorization: bytes) -> Principal:
    """The principal of a Bearer key. Raises Unauthorized, and Unavailable without a database."""
    scheme, _, bearer = authorization.decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not bearer:
        raise Unauthorized("Send a key: 'Authorization: Bearer dsk_...'.")
    known = remembered.get(projects.digest(bearer.strip()))
    return known if known is not None else await to_thread.run_sync(look_up, bearer.strip())


def look_up(bearer: str) -> Principal:
    with ProjectSession(None) as session, session.begin():
        return projects.authenticate(session, bearer)


def as_service_error(error: Exception) -> ServiceError:
    """A named error as it is; a database that is away as 503; anything else as 500, with a log line."""
    if isinstance(error, ServiceError):
        return error
    if isinstance(error, PoolTimeout) or (isinstance(error, DBAPIError) and is_away(error)):
        logger.warning("the database is away", exc_info=error)
        return Unavailable("The database is away; try again.", retry_after=2)
    logger.error("unhandled error", exc_info=error)
    return ServiceError("Something went wrong on our side; the request's id finds it in the logs.")


def is_away(error: DBAPIError) -> bool:
    """No connection, a server that starts or stops (class 57), no free slot (53), a lock not got in time (55)."""
    state = getattr(error.orig, "sqlstate", None)
    return error.connection_invalidated or (state or "08")[:2] in {"08", "53", "55", "57"}
