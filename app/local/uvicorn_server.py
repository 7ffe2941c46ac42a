"""The API as a process: on an address of its own, or on a socket that the local start opened and keeps open."""

import logging
import os
import socket

import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from app import installation, logs
from app.local.listening import LISTENING_FD
from app.settings import get_settings

logger = logging.getLogger(__name__)


def serve(host: str = "127.0.0.1", port: int = 8000, fd: int | None = None) -> int:
    """Answer until SIGTERM; the exit status. With `fd` a restart refuses no connection: they wait in the socket."""
    logs.configure(get_settings().log_level)
    try:
        installation.check()
    except installation.WrongStore as wrong:
        logger.error("not started: %s", wrong)
        return installation.EX_CONFIG
    except SQLAlchemyError as error:  # the sweeper asks again, and every route answers 503 until then
        logger.warning("the database is away (%s)", type(error).__name__)
    config = uvicorn.Config("app.main:app", host, port, log_config=None, access_log=False, timeout_graceful_shutdown=3)
    server = uvicorn.Server(config)
    server.run([socket.socket(fileno=fd)] if fd is not None else None)
    return 0 if server.started else 1


if __name__ == "__main__":
    raise SystemExit(serve(fd=int(os.environ.pop(LISTENING_FD))))
