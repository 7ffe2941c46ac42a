"""Structured logs: one JSON object a line, with its request's id. No logger is ever given a body or a key."""

import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import orjson

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonFormatter(logging.Formatter):
    """Time, level, logger, message, the request's id, and whatever stands in `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (current := request_id.get()) is not None:
            line["request_id"] = current
        line |= {key: value for key, value in vars(record).items() if key not in FIELDS}
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = describe(record.exc_info[1], record.exc_info[2])
        return orjson.dumps(line, default=str).decode()


def describe(error: BaseException, trace: TracebackType | None) -> dict[str, Any]:
    """An exception's type and frames. Its text stays out: a database's or a validator's message quotes the payload."""
    kind = type(error)
    found: dict[str, Any] = {"type": f"{kind.__module__}.{kind.__qualname__}", "trace": traceback.format_tb(trace)}
    original = getattr(error, "orig", None)
    if (state := getattr(original, "sqlstate", None)) is not None:
        found["sqlstate"] = state
    if isinstance(error, OSError):
        found["text"] = str(error)
    return found


def configure(level: str) -> None:
    """Send all logs of this process to stderr as JSON lines (uvicorn's own too)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in ("httpx", "httpcore"):  # they would log addresses whole
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").disabled = True  # the gate writes a line of its own, without the query
