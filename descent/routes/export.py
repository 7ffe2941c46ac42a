"""A job taken out of the service: its run as a script, a model as a bundle, an optimizer as data."""

from pathlib import Path
from typing import Any, cast

from descent.routes.checkpoints import CHUNK_BYTES, CheckpointRoutes
from descent.routes.jobs import JobRef, job_path
from descent.transport import Query

SILENCE_SECONDS = 120.0
"""The service may have to prepare the data again before the first byte."""


class ExportRoutes(CheckpointRoutes):
    def export(self, job: JobRef) -> str:
        """The run as one plain PyTorch script (that may want a data file beside it: see `save_export`)."""
        path = f"{job_path(job)}/export"
        return self.transport.request("GET", path, query={"format": "py"}, hold=SILENCE_SECONDS).text

    def save_export(self, job: JobRef, path: Path | str | None = None) -> Path:
        """The script, or a zip of it and its data, into a file: by default train.py or JOB.zip. Where it is now."""
        return self._download(f"{job_path(job)}/export", path, {"format": "auto"})

    def save_bundle(self, job: JobRef, path: Path | str | None = None, checkpoint: str = "latest") -> Path:
        """A zip that a product can use: weights, model.py (torch alone), fitted preprocessing, spec, rows."""
        chosen = self.checkpoint_id(job, checkpoint)
        return self._download(f"{job_path(job)}/checkpoints/{chosen}/bundle", path, {})

    def optimizer(self, job: JobRef, checkpoint: str = "latest") -> dict[str, Any]:
        """Groups, settings and state figures of the optimizer at a checkpoint."""
        path = f"{job_path(job)}/checkpoints/{self.checkpoint_id(job, checkpoint)}/optimizer"
        return cast(dict[str, Any], self.transport.get(path))

    def _download(self, route: str, path: Path | str | None, query: Query) -> Path:
        with self.transport.stream(route, query=query, silence=SILENCE_SECONDS) as response:
            named = response.headers.get("content-disposition", "").partition('filename="')[2].rstrip('"')
            wanted = Path(path if path is not None else Path(named).name or "download")
            partial = wanted.with_name(f".{wanted.name}.part")
            try:
                with partial.open("wb") as file:
                    for chunk in response.iter_bytes(CHUNK_BYTES):
                        file.write(chunk)
                partial.replace(wanted)
            finally:
                partial.unlink(missing_ok=True)
        return wanted
