"""The API as a process: on an address of its own, or on a socket that the local start opened and keeps open."""

import os
import socket

import uvicorn

from app.local.listening import LISTENING_FD


def serve(host: str = "127.0.0.1", port: int = 8000, fd: int | None = None) -> None:
    """Answer until SIGTERM. With `fd` a restart refuses no connection: they wait in the socket's queue."""
    config = uvicorn.Config("app.main:app", host, port, log_config=None, access_log=False, timeout_graceful_shutdown=3)
    server = uvicorn.Server(config)
    server.run([socket.socket(fileno=fd)] if fd is not None else None)


if __name__ == "__main__":
    serve(fd=int(os.environ.pop(LISTENING_FD)))
