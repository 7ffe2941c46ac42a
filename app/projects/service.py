"""Projects and keys. A key is `dsk_<id>_<secret>`; the database has the secret's SHA-256 only."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from app.errors import Unauthorized
from app.ids import new_id
from app.models import ApiKey
from app.projects import repository
from app.projects.principals import SCOPES, Principal, remembered

KEY = re.compile(r"ds[kt]_([0-9a-hjkmnp-tv-z]{26})_([0-9a-f]{64})")
DEFAULT_PROJECT = "default"


def create_key(
    session: Session,
    name: str,
    scopes: Collection[str],
    projects: Sequence[str] | None,
    *,
    expires_at: datetime | None = None,
) -> str:
    """The new key's whole text, which nobody can ask for again. `projects` None: all. The caller commits."""
    if not scopes or not set(scopes) <= set(SCOPES):
        raise ValueError(f"scopes are some of {', '.join(SCOPES)}")
    key = ApiKey(
        id=new_id("key"),
        name=name,
        secret_sha256="",
        projects=None if projects is None else list(projects),
        scopes=sorted(set(scopes)),
        expires_at=expires_at,
    )
    secret = renew_secret(key)
    repository.add_key(session, key)
    return secret


def create_token(session: Session, project_id: str, jobs: Sequence[str], expires_at: datetime) -> str:
    """The text of a token `dst_<id>_<secret>` that reads the jobs named and nothing else. The caller commits."""
    token = ApiKey(
        id=new_id("key"),
        name="token",
        secret_sha256="",
        projects=[project_id],
        scopes=["read"],
        jobs=list(jobs),
        expires_at=expires_at,
    )
    secret = renew_secret(token)
    repository.add_key(session, token)
    return secret


def renew_secret(key: ApiKey) -> str:
    """Give the key a secret; its whole text."""
    secret = secrets.token_hex(32)
    key.secret_sha256 = digest(secret)
    prefix = "dsk" if key.jobs is None else "dst"
    return f"{prefix}_{key.id.removeprefix('key_')}_{secret}"


def key_id(text: str) -> str:
    """The id of a key, from its text."""
    return "key_" + text.split("_")[1]


def ensure_default_project(session: Session) -> str:
    """The id of the project `default`, made if it is missing. The caller commits."""
    return repository.add_project_if_missing(session, new_id("prj"), DEFAULT_PROJECT)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def authenticate(session: Session, bearer: str) -> Principal:
    """Whose key this is. Raises Unauthorized, in the same words whatever is wrong with it."""
    fingerprint = digest(bearer)
    if (known := remembered.get(fingerprint)) is not None:
        return known
    principal = look_up(session, bearer)
    remembered.put(fingerprint, principal)
    return principal


def look_up(session: Session, bearer: str) -> Principal:
    refused = Unauthorized("This key is unknown, expired or revoked.")
    match = KEY.fullmatch(bearer)
    if match is None:
        raise refused
    key = repository.find_key(session, f"key_{match[1]}")
    if key is None or not hmac.compare_digest(key.secret_sha256, digest(match[2])):
        raise refused
    expired = key.expires_at is not None and key.expires_at <= repository.database_time(session)
    if key.revoked_at is not None or expired:
        raise refused
    repository.touch_key(session, key.id)
    default = repository.oldest_project(session) if key.projects is None else next(iter(key.projects), None)
    projects = None if key.projects is None else tuple(key.projects)
    return Principal(
        key_id=key.id,
        name=key.name,
        scopes=frozenset(key.scopes),
        projects=projects,
        default_project=default,
        expires_at=key.expires_at,
        jobs=None if key.jobs is None else frozenset(key.jobs),
        rates=repository.rates_of(session, projects),
    )
