"""Tar archives, read as a stream: no path in them is ever made."""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from app.datasets.errors import DatasetError

MAX_MEMBERS = 200_000
MAX_MEMBER_BYTES = 64 * 2**20


def members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file. Raises DatasetError."""
    try:
        with tarfile.open(path, "r|gz") as archive:
            for count, member in enumerate(archive):
                if count >= MAX_MEMBERS or member.size > MAX_MEMBER_BYTES:
                    raise DatasetError(f"{member.name[:100]!r} is more than this archive may hold")
                file = archive.extractfile(member) if member.isfile() else None
                if file is not None:
                    yield member.name, file.read()
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DatasetError(f"not a readable tar.gz archive: {str(error)[:200]}") from error
