"""The files of the dashboard, read once: the only paths of it that there are."""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing inline, nothing from elsewhere: text from a job can never become a script."""


@dataclass(frozen=True)
class PageFile:
    body: bytes
    media_type: str
    tag: str


def page_file(path: Path) -> PageFile:
    body = path.read_bytes()
    return PageFile(body, MEDIA_TYPES[path.suffix], f'"{sha256(body).hexdigest()[:16]}"')


@lru_cache
def page_files() -> dict[str, PageFile]:
    """By name; `index.html` is what `/` answers with."""
    return {path.name: page_file(path) for path in sorted(FOLDER.iterdir()) if path.suffix in MEDIA_TYPES}


@lru_cache
def open_paths() -> frozenset[str]:
    """What is answered without a key."""
    return frozenset({"/", *(f"/dashboard/{name}" for name in page_files())})
