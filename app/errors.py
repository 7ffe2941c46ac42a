"""What can go wrong in a service, each with a name and an HTTP status.

ServiceError
├── NotFound 404              ├── Conflict 409 (the state does not allow it)
├── Unauthorized 401          ├── PayloadTooLarge 413
├── Forbidden 403             ├── InvalidPayload 422 (with JSON pointers)
└── TooManyRequests 429       └── Unavailable 503
"""

from collections.abc import Sequence
from typing import TypedDict


class PointedError(TypedDict):
    pointer: str
    detail: str


class ServiceError(Exception):
    """Raised in services; `error_handlers.py` gives it its shape (RFC 9457)."""

    status_code = 500
    code = "internal"
    title = "Internal error"
    retry_seconds: int | None = None
    """What `Retry-After` says where the error that is raised does not know better."""

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[PointedError] = (),
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)
        self.code = code or type(self).code
        self.retry_after = type(self).retry_seconds if retry_after is None else retry_after


class Unauthorized(ServiceError):
    status_code, code, title = 401, "unauthorized", "No valid key"


class Forbidden(ServiceError):
    status_code, code, title = 403, "forbidden", "Not allowed"


class NotFound(ServiceError):
    status_code, code, title = 404, "not_found", "Not found"


class Conflict(ServiceError):
    status_code, code, title = 409, "conflict", "The state does not allow it"


class PayloadTooLarge(ServiceError):
    status_code, code, title = 413, "payload_too_large", "The body is too large"


class InvalidPayload(ServiceError):
    status_code, code, title = 422, "invalid_payload", "The payload is wrong"


class TooManyRequests(ServiceError):
    status_code, code, title = 429, "quota_exceeded", "Over quota"
    retry_seconds = 30


class Unavailable(ServiceError):
    status_code, code, title = 503, "unavailable", "A part of the service is away"
    retry_seconds = 5
