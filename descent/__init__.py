"""Descent's client: submit training jobs over the REST API and follow them. Needs neither torch nor the server."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from descent.client import Client as Client
    from descent.errors import DescentError as DescentError

__all__ = ["Client", "DescentError"]


def __getattr__(name: str) -> Any:
    """`descent.Client` when it is asked for: the command line's help then starts without httpx."""
    if name == "Client":
        from descent.client import Client

        return Client
    if name == "DescentError":
        from descent.errors import DescentError

        return DescentError
    raise AttributeError(f"module 'descent' has no attribute {name!r}")
