"""Multipart uploads, streamed into the store: hashed on the way, limited in size, never in memory as a whole.

While they arrive they lie under `<store>/uploads/`; what nobody takes up is removed, and so is what a crash left there.
"""

import errno
import hashlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from anyio import to_thread
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.errors import InvalidPayload, PayloadTooLarge, PointedError, Unavailable

BUFFER_BYTES = 2**20  # handed to a thread at once
MAX_FIELD_BYTES = 64 * 2**10
MAX_PARTS = 20
ABANDONED_SECONDS = 3600.0


@dataclass(frozen=True)
class UploadedFile:
    """A whole file, synced, under a temporary name."""

    filename: str
    path: Path
    sha256: str
    bytes: int


@dataclass
class Upload:
    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, UploadedFile] = field(default_factory=dict)
    """By the name of the form's field."""


def refusal(pointer: str, detail: str) -> InvalidPayload:
    return InvalidPayload(f"{pointer}: {detail}", errors=[PointedError(pointer=pointer, detail=detail)])


@asynccontextmanager
async def receiving(
    chunks: AsyncIterator[bytes],
    content_type: str,
    store: Path,
    *,
    files: Collection[str],
    fields: Collection[str],
    max_bytes: int,
) -> AsyncIterator[Upload]:
    """The form, once it is here. `files` and `fields` are the names it may have; `max_bytes` of all files together.

    Raises InvalidPayload, PayloadTooLarge, Unavailable (the disk is full). The files are gone when the context ends,
    but for those that `app.blobs.keep` has moved.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise refusal("", "must be multipart/form-data with a boundary")
    reader = await to_thread.run_sync(lambda: _FormReader(store / "uploads", files, fields, max_bytes))
    try:
        with _parse_errors():
            parser = MultipartParser(options[b"boundary"], reader.callbacks())  # type: ignore[arg-type]  # bound methods
        buffer = bytearray()
        async for chunk in chunks:
            buffer += chunk
            if len(buffer) >= BUFFER_BYTES:
                await to_thread.run_sync(_feed, parser, bytes(buffer))
                buffer.clear()
        await to_thread.run_sync(_feed, parser, bytes(buffer))
        yield reader.whole()
    finally:
        reader.discard()


def _feed(parser: MultipartParser, data: bytes) -> None:
    with _parse_errors():
        parser.write(data)


@contextmanager
def _parse_errors() -> Iterator[None]:
    try:
        yield
    except FormParserError as error:
        raise refusal("", f"not a multipart form: {str(error)[:200]}") from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise Unavailable("The store has no room for this upload.", retry_after=60) from error


class _FormReader:
    """What the parser calls: parts become files and fields."""

    def __init__(self, folder: Path, files: Collection[str], fields: Collection[str], max_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder)
        self.folder, self.file_names, self.field_names = folder, files, fields
        self.max_bytes = self.left = max_bytes
        self.upload = Upload()
        self.paths: list[Path] = []
        self.ended = False
        self._begin()

    def callbacks(self) -> dict[str, Any]:
        names = ("part_begin", "part_data", "part_end", "header_field", "header_value", "header_end")
        return {f"on_{name}": getattr(self, f"_{name}") for name in (*names, "headers_finished", "end")}

    def _begin(self) -> None:
        self.header, self.value = bytearray(), bytearray()
        self.headers: dict[bytes, bytes] = {}
        self.name = self.filename = ""
        self.file: IO[bytes] | None = None
        self.text = bytearray()
        self.size = 0
        self.digest = hashlib.sha256()

    def _part_begin(self) -> None:
        if len(self.paths) + len(self.upload.fields) >= MAX_PARTS:
            raise refusal("", f"has more than {MAX_PARTS} parts")
        self._begin()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self.header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self.value += data[start:end]

    def _header_end(self) -> None:
        self.headers[bytes(self.header).lower()] = bytes(self.value)
        self.header, self.value = bytearray(), bytearray()

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self.headers.get(b"content-disposition", b""))
        self.name = options.get(b"name", b"").decode(errors="replace")[:100]
        self.filename = options.get(b"filename", b"").decode(errors="replace")[:255]
        if self.name in self.upload.fields or self.name in self.upload.files:
            raise refusal(f"/{self.name}", "is given twice")
        if self.name in self.file_names:
            path = self.folder / f"{secrets.token_hex(16)}.tmp"
            self.file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "wb")
            self.paths.append(path)
        elif self.name not in self.field_names:
            known = ", ".join([*self.field_names, *self.file_names])
            raise refusal(f"/{self.name}", f"is not known; there are: {known}")

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self.size += end - start
        if self.file is None:
            if self.size > MAX_FIELD_BYTES:
                raise PayloadTooLarge(f"The field {self.name!r} has at most {MAX_FIELD_BYTES:,} bytes.")
            self.text += data[start:end]
            return
        self.left -= end - start
        if self.left < 0:
            raise PayloadTooLarge(f"An upload has at most {self.max_bytes:,} bytes.")
        view = memoryview(data)[start:end]
        self.digest.update(view)
        self.file.write(view)

    def _part_end(self) -> None:
        if self.file is None:
            try:
                self.upload.fields[self.name] = self.text.decode()
            except UnicodeDecodeError as error:
                raise refusal(f"/{self.name}", "is not UTF-8") from error
            return
        with self.file as file:
            file.flush()
            os.fsync(file.fileno())
        self.file = None
        uploaded = UploadedFile(self.filename, self.paths[-1], self.digest.hexdigest(), self.size)
        self.upload.files[self.name] = uploaded

    def _end(self) -> None:
        self.ended = True

    def whole(self) -> Upload:
        if not self.ended:
            raise refusal("", "the form ends before its last part does")
        return self.upload

    def discard(self) -> None:
        if self.file is not None:
            self.file.close()
        for path in self.paths:
            path.unlink(missing_ok=True)


def remove_abandoned(folder: Path) -> None:
    """Delete what uploads left behind that never came to their end."""
    for path in folder.glob("*.tmp"):
        try:
            if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                path.unlink()
        except FileNotFoundError:
            continue  # another process was faster
