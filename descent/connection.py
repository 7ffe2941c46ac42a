"""Where the service is and with which key: arguments, then the environment, then the local start's connection.json."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from descent.errors import NoConnection


@dataclass(frozen=True)
class Connection:
    """Raises NoConnection for what cannot be an address or a key."""

    url: str
    api_key: str = field(repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise NoConnection(f"{self.url!r} is not an address: it looks like http://127.0.0.1:8000")
        if not (self.api_key.isascii() and self.api_key.isprintable()) or " " in self.api_key:
            raise NoConnection("the API key has characters that no key has")


def state_folder(state: Path | str | None = None) -> Path:
    """The local start's folder: the one given, $DESCENT_STATE, or ~/.descent."""
    return Path(state or os.environ.get("DESCENT_STATE") or "~/.descent").expanduser()


def find_connection(url: str | None = None, api_key: str | None = None, state: Path | str | None = None) -> Connection:
    """The first that is known of: arguments, DESCENT_URL and DESCENT_API_KEY, connection.json. Raises NoConnection.

    A state folder that is named comes before the environment. A key is only sent to the address that it stands with.
    """
    if state is None:
        url = url or os.environ.get("DESCENT_URL")
        api_key = api_key or os.environ.get("DESCENT_API_KEY")
        if url and api_key:
            return Connection(url.rstrip("/"), api_key)
    folder = state_folder(state)
    local = read_connection(folder / "connection.json")
    if url and (local is None or local.url != url.rstrip("/")):
        raise NoConnection(f"there is no key for {url}: set DESCENT_API_KEY")
    if local is None:
        raise NoConnection(
            f"no service is ready in {folder}: start one with `descent up`, or set DESCENT_URL and DESCENT_API_KEY"
        )
    return Connection(local.url, api_key or local.api_key)


def read_connection(path: Path) -> Connection | None:
    """What the file says; None where there is none. Raises NoConnection for one that cannot be used."""
    try:
        document = json.loads(path.read_text())
        return Connection(str(document["url"]).rstrip("/"), str(document["api_key"]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except PermissionError:
        raise NoConnection(f"{path} may not be read by this user: it belongs to who ran `descent up`") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoConnection(f"{path} cannot be used: {error}") from None
