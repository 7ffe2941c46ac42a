"""What can go wrong on the client's side; `str()` of each is one readable line.

DescentError
├── NoConnection         no address, or no key for it
├── NotReachable         nothing answers, or it broke off
├── WaitTimeout          `wait` gave up (also a TimeoutError)
├── JobFailed            raised by `wait(job, check=True)`
└── APIError             the service refused: status, code, title, detail, errors, request_id
    ├── Unauthorized 401 ├── PreconditionFailed 412
    ├── Forbidden 403    ├── PayloadTooLarge 413
    ├── NotFound 404     ├── InvalidPayload 422
    ├── Conflict 409     ├── TooManyRequests 429
    └── ServiceFailure 5xx ── Unavailable 503
"""

from collections.abc import Mapping, Sequence
from typing import Any

from descent.types import Job, PointedError

SHOWN_ERRORS = 5


class DescentError(Exception):
    """Everything this package raises on purpose."""


class NoConnection(DescentError):
    pass


class NotReachable(DescentError):
    pass


class WaitTimeout(DescentError, TimeoutError):
    pass


class JobFailed(DescentError):
    """A job ended as `failed` or `cancelled`."""

    def __init__(self, job: Job) -> None:
        self.job = job
        super().__init__(f"{job['id']} {describe_end(job)}")


class APIError(DescentError):
    """A problem document (RFC 9457) from the service."""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after: float | None = None) -> None:
        self.status = status
        self.code = str(problem.get("code") or "")
        self.title = str(problem.get("title") or f"HTTP {status}")
        self.detail = str(problem.get("detail") or "")
        self.errors: list[PointedError] = [
            {"pointer": str(error.get("pointer", "")), "detail": str(error.get("detail", ""))}
            for error in problem.get("errors") or ()
            if isinstance(error, dict)
        ]
        self.request_id = str(problem.get("request_id") or "")
        self.retry_after = retry_after
        super().__init__(one_line(self))


class Unauthorized(APIError):
    pass


class Forbidden(APIError):
    pass


class NotFound(APIError):
    pass


class Conflict(APIError):
    pass


class PreconditionFailed(APIError):
    pass


class PayloadTooLarge(APIError):
    pass


class InvalidPayload(APIError):
    """`errors` says what is wrong where, by JSON pointers."""


class TooManyRequests(APIError):
    pass


class ServiceFailure(APIError):
    pass


class Unavailable(ServiceFailure):
    pass


BY_STATUS: dict[int, type[APIError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: PreconditionFailed,
    413: PayloadTooLarge,
    422: InvalidPayload,
    429: TooManyRequests,
    503: Unavailable,
}


def api_error(status: int, problem: Mapping[str, Any], retry_after: float | None = None) -> APIError:
    kind = BY_STATUS.get(status, ServiceFailure if status >= 500 else APIError)
    return kind(status, problem, retry_after)


def one_line(error: APIError) -> str:
    """`/optimizer/lr must be greater than 0; /data/dataset is unknown`, or the detail where nothing is pointed at."""
    text = pointed(error.errors) or error.detail or error.title
    if error.status >= 500 and error.request_id:
        text = f"{text} (HTTP {error.status}, request {error.request_id})"
    return " ".join(text.split())


def pointed(errors: Sequence[PointedError]) -> str:
    shown = [f"{error['pointer']} {error['detail']}".strip() for error in errors[:SHOWN_ERRORS]]
    left = len(errors) - len(shown)
    return "; ".join([*shown, f"and {left} more"] if left else shown)


def describe_end(job: Job) -> str:
    """`failed: diverged, the loss of step 17 is not finite`"""
    error = job["error"]
    return f"{job['status']}: {error['code']}, {error['message']}" if error else str(job["status"])
