"""The one shape of an error: RFC 9457 problem details."""

from typing import Any

from app.errors import ServiceError
from app.logs import request_id
from app.rendering import render

MEDIA_TYPE = "application/problem+json"


def document(error: ServiceError, path: str) -> dict[str, Any]:
    """The body: what happened, where in the payload, and the id that also stands in the logs."""
    return {
        "type": f"urn:descent:problem:{error.code}",
        "title": error.title,
        "status": error.status_code,
        "detail": error.detail,
        "instance": path,
        "code": error.code,
        "errors": error.errors,
        "request_id": request_id.get(),
    }


def response(error: ServiceError, path: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body."""
    headers = {"content-type": MEDIA_TYPE}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    if error.status_code == 401:
        headers["www-authenticate"] = "Bearer"
    return error.status_code, headers, render(document(error, path))
