"""The id that database and store share: a process that finds them apart does not start.

The first process that meets the store marks it: `installation.json` in the store's folder carries the database's
installation id and a mark that the database keeps too. A folder without the file is then another host's, or the wrong
one; a file with another id belongs to another database.
"""

import json
import os
import secrets
from pathlib import Path
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.database import session_scope
from app.models import Installation
from app.settings import get_settings

NAME = "installation.json"
EX_CONFIG = 78


class WrongStore(Exception):
    """Database and store do not belong together; the text says what to do."""


def check() -> None:
    """Raises WrongStore. Marks a store that nobody has met before."""
    store = get_settings().store_path
    with session_scope("descent_worker") as session:
        check_in(session, store)


def check_in(session: Session, store: Path) -> None:
    installation = session.execute(select(Installation).with_for_update()).scalar_one()
    found = read(store / NAME)
    if found is None:
        if installation.store is not None:
            raise WrongStore(
                f"The store {store} is not the one of this database: it has no {NAME}. Each host must see the same"
                " folder (DESCENT_STORE_URL); a restored copy needs the file too."
            )
        new = secrets.token_hex(8)
        mark(store / NAME, {"id": installation.id, "store": new})
        session.execute(update(Installation).values(store=new))
    elif found.get("id") != installation.id:
        raise WrongStore(
            f"The store {store} belongs to the installation {found.get('id')}, the database to {installation.id}:"
            " one of DESCENT_STORE_URL and DESCENT_DATABASE_URL is wrong."
        )
    elif installation.store is None:
        session.execute(update(Installation).values(store=found.get("store")))
    elif found.get("store") != installation.store:
        raise WrongStore(f"The store {store} is another one of this installation than the database knows.")


def read(path: Path) -> dict[str, Any] | None:
    """None where there is none. Raises WrongStore for one that cannot be read."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise WrongStore(f"{path} cannot be read: {error}") from error
    return found


def mark(path: Path, content: dict[str, str]) -> None:
    """Raises WrongStore for a store that nobody can write to."""
    try:
        write(path, content)
    except OSError as error:
        raise WrongStore(f"{path} cannot be written: {error}") from error


def write(path: Path, content: dict[str, str]) -> None:
    """Whole or not at all, and synced before the database says that it is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{NAME}.{os.getpid()}")
    with temporary.open("w") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
