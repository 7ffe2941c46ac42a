"""Zip files from strangers: looked through before anything is decompressed, and never extracted to a path."""

import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from app.datasets.errors import DatasetError, DatasetTooLarge
from app.datasets.limits import MAX_MEMBERS, Limits

from .table import check_ratio

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError)


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive; whatever is broken in it becomes a DatasetError."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except DatasetError:
        raise
    except BROKEN as error:
        raise DatasetError(f"not a readable zip file: {str(error)[:200]}") from error


def members(archive: zipfile.ZipFile, limits: Limits) -> list[zipfile.ZipInfo]:
    """The files in it. Raises DatasetError for names that leave the archive, links and bombs."""
    infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise DatasetTooLarge(f"{len(infos):,} files in the zip are more than {MAX_MEMBERS:,}")
    for info in infos:
        _check(info)
    decoded, stored = sum(info.file_size for info in infos), sum(info.compress_size for info in infos)
    if decoded > limits.decoded_bytes:
        raise DatasetTooLarge(f"decompresses to {decoded:,} bytes, more than {limits.decoded_bytes:,}")
    check_ratio(decoded, stored)
    return [info for info in infos if not info.is_dir()]


def _check(info: zipfile.ZipInfo) -> None:
    name = info.filename
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in info.orig_filename:
        raise DatasetError(f"the zip has a path that leaves it: {name[:100]!r}")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise DatasetError(f"the zip has a link: {name[:100]!r}")
    if info.flag_bits & 1:
        raise DatasetError(f"{name[:100]!r} in the zip is encrypted")
    if info.compress_type not in METHODS:
        raise DatasetError(f"{name[:100]!r} in the zip is compressed by an unknown method")
