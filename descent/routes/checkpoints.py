"""A job's checkpoints and their bytes."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, cast

from descent.errors import DescentError
from descent.routes.jobs import JobRef, JobRoutes, job_path
from descent.types import Checkpoint, Page

CHUNK_BYTES = 1 << 20


class CheckpointRoutes(JobRoutes):
    def checkpoints(self, job: JobRef) -> Iterator[Checkpoint]:
        """All that are kept, the newest first."""
        after: str | None = None
        while True:
            found = self.transport.get(f"{job_path(job)}/checkpoints", {"after": after, "limit": 200})
            page = cast(Page[Checkpoint], found)
            yield from page["data"]
            if not page["has_more"]:
                return
            after = page["last_id"]

    def checkpoint(self, job: JobRef, checkpoint: str = "latest") -> Checkpoint:
        """One by id, or the job's `latest` or `best`."""
        path = f"{job_path(job)}/checkpoints/{self.checkpoint_id(job, checkpoint)}"
        return cast(Checkpoint, self.transport.get(path))

    def checkpoint_id(self, job: JobRef, checkpoint: str) -> str:
        """The id behind `latest` and `best`, as the job says it now. Raises DescentError when there is none yet."""
        if checkpoint not in ("latest", "best"):
            return checkpoint
        found = self.job(job)
        best = found["best"]["checkpoint"] if found["best"] else None
        named = found["latest_checkpoint"] if checkpoint == "latest" else best
        if named is None:
            hint = " (checkpoint.keep_best in the spec saves one)" if checkpoint == "best" else ""
            raise DescentError(f"{found['id']} is {found['status']} and has no {checkpoint} checkpoint{hint}")
        return named

    def weights(self, job: JobRef, checkpoint: str = "latest") -> bytes:
        """The model as a safetensors file; its names are those of the model's `state_dict`."""
        path = f"{job_path(job)}/checkpoints/{self.checkpoint_id(job, checkpoint)}/weights"
        return self.transport.request("GET", path).content

    def save_weights(self, job: JobRef, path: Path | str, checkpoint: str = "latest") -> int:
        """The same into a file, whole or not at all; the number of bytes."""
        return self._save(job, checkpoint, "weights", Path(path))

    def save_state(self, job: JobRef, path: Path | str, checkpoint: str = "latest") -> int:
        """The whole training state (model, optimizer, scheduler, generators) into a file; the number of bytes."""
        return self._save(job, checkpoint, "state", Path(path))

    def write_weights(self, job: JobRef, file: IO[bytes], checkpoint: str = "latest") -> int:
        """The weights into an open file; the number of bytes."""
        return self._write(job, self.checkpoint_id(job, checkpoint), "weights", file)

    def pin(self, job: JobRef, checkpoint: str = "latest") -> Checkpoint:
        """Keep it, whatever the spec's `keep_last` says."""
        return self._change(job, checkpoint, "pin")

    def unpin(self, job: JobRef, checkpoint: str) -> Checkpoint:
        return self._change(job, checkpoint, "unpin")

    def delete_checkpoint(self, job: JobRef, checkpoint: str) -> None:
        """Raises Conflict for one that is pinned or needed."""
        path = f"{job_path(job)}/checkpoints/{self.checkpoint_id(job, checkpoint)}"
        self.transport.request("DELETE", path, repeatable=False)

    def _change(self, job: JobRef, checkpoint: str, change: str) -> Checkpoint:
        path = f"{job_path(job)}/checkpoints/{self.checkpoint_id(job, checkpoint)}/{change}"
        return cast(Checkpoint, self.transport.post(path))

    def _save(self, job: JobRef, checkpoint: str, part: str, path: Path) -> int:
        chosen = self.checkpoint_id(job, checkpoint)
        try:
            descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        except OSError as error:
            raise DescentError(f"{path} cannot be written: {error.strerror}") from None
        try:
            with os.fdopen(descriptor, "wb") as file:
                written = self._write(job, chosen, part, file)
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask)  # mkstemp makes them private
            os.replace(temporary, path)
        except OSError as error:
            raise DescentError(f"{path} cannot be written: {error.strerror}") from None
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
        return written

    def _write(self, job: JobRef, checkpoint: str, part: str, file: IO[bytes]) -> int:
        written = 0
        with self.transport.stream(f"{job_path(job)}/checkpoints/{checkpoint}/{part}") as response:
            for chunk in response.iter_bytes(CHUNK_BYTES):
                written += file.write(chunk)
        return written
