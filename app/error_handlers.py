"""FastAPI's and Starlette's own errors in the one shape of `problems.py`."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import compile_path

from app import problems
from app.bodies import pointer
from app.errors import InvalidPayload, NotFound, PointedError, ServiceError


class MethodNotAllowed(ServiceError):
    status_code, code, title = 405, "method_not_allowed", "The route does not know this method"


def install(app: FastAPI) -> None:
    app.add_exception_handler(ServiceError, on_service_error)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(ClientDisconnect, on_disconnect)


def reply(request: Request, error: ServiceError, headers: Mapping[str, str] | None = None) -> Response:
    status, own, body = problems.response(error, request.url.path)
    return Response(body, status, {**(headers or {}), **own})


def on_service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)
    return reply(request, error)


def on_validation_error(request: Request, error: Exception) -> Response:
    """Parameters that FastAPI refused: a pointer of `/query/limit` names one in the query."""
    assert isinstance(error, RequestValidationError)
    found = [PointedError(pointer=pointer(line["loc"]), detail=line["msg"]) for line in error.errors()]
    return reply(request, InvalidPayload("Some parameters are wrong.", errors=found))


def on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 405:
        known = ", ".join(sorted(methods_of(request)))
        allowed = {"allow": known} if known else error.headers
        return reply(request, MethodNotAllowed("This path does not know the method."), allowed)
    if error.status_code == 404:
        return reply(request, NotFound("There is no such path."))
    return reply(request, InvalidPayload("The request cannot be read."))


def methods_of(request: Request) -> set[str]:
    """Of all routes with this path: Starlette names those of the first one only."""
    paths: dict[str, dict[str, Any]] = request.app.openapi()["paths"]
    fitting = [operations for path, operations in paths.items() if compile_path(path)[0].match(request.url.path)]
    return {method.upper() for operations in fitting for method in operations}


def on_disconnect(request: Request, error: Exception) -> Response:
    return reply(request, InvalidPayload("The body did not arrive whole."))
