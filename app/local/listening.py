"""The API's listening socket, opened by the local start: the port is checked before anything else is done."""

import errno
import socket

from app.local.processes import StartError

LISTENING_FD = "DESCENT_LISTENING_FD"
"""The environment variable by which the API finds the socket."""


def listening_socket(host: str, port: int) -> socket.socket:
    """A listening socket (port 0: a free one). Errors: StartError in plain words."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise StartError(f"--host {host}: no such address") from error
    opened = socket.socket(family, kind)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind(address)
        opened.listen(1024)  # early requests wait for the API instead of being refused
    except OSError as error:
        opened.close()
        reasons = {
            errno.EADDRINUSE: f"port {port} is in use: choose another with --port (--port 0 takes a free one)",
            errno.EACCES: f"port {port} is for root only: choose one above 1023 with --port",
            errno.EADDRNOTAVAIL: f"this machine has no address {host}",
        }
        raise StartError(reasons.get(error.errno or 0, str(error))) from error
    return opened


def url_of(bound: socket.socket) -> str:
    """Where a client on this machine reaches it."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
