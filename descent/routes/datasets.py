"""Data sets: upload files, look at what is there."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import cast

from descent.errors import DescentError
from descent.transport import Routes, document
from descent.types import Dataset, Page

UPLOAD_SECONDS = 600.0
"""How long the service may look through an upload before it answers."""


class DatasetRoutes(Routes):
    def upload_dataset(
        self,
        name: str,
        file: Path | str | None = None,
        *,
        target: str | None = None,
        format: str | None = None,
        images: Path | str | None = None,
        labels: Path | str | None = None,
    ) -> Dataset:
        """A new version of the data set `name` (IDX: `images` and `labels` instead of `file`).

        `target`: the label column of a table. Raises InvalidPayload for a file that is not what it should be.
        """
        given = {"file": file, "images": images, "labels": labels}
        fields = {key: text for key, text in {"name": name, "target": target, "format": format}.items() if text}
        with ExitStack() as stack:
            try:
                files = {
                    key: (Path(path).name, stack.enter_context(Path(path).open("rb")))
                    for key, path in given.items()
                    if path is not None
                }
            except OSError as error:
                raise DescentError(f"{error.filename} cannot be read: {error.strerror}") from None
            if not files:
                raise DescentError("an upload needs a file")
            reply = self.transport.upload("/v1/datasets", fields, files, hold=UPLOAD_SECONDS)
        return cast(Dataset, document(reply))

    def datasets(self, *, name: str | None = None) -> Iterator[Dataset]:
        """All that the project has, the newest first; the versions of one `name`."""
        after: str | None = None
        while True:
            found = self.transport.get("/v1/datasets", {"after": after, "limit": 200, "name": name})
            page = cast(Page[Dataset], found)
            yield from page["data"]
            if not page["has_more"]:
                return
            after = page["last_id"]

    def dataset(self, dataset_id: str) -> Dataset:
        return cast(Dataset, self.transport.get(f"/v1/datasets/{dataset_id}"))

    def publish_dataset(self, dataset_id: str, *, published: bool = True) -> Dataset:
        """Let all projects read it, or none but its own again. Takes an admin key for all projects."""
        verb = "publish" if published else "withdraw"
        return cast(Dataset, self.transport.post(f"/v1/datasets/{dataset_id}/{verb}"))

    def delete_dataset(self, dataset_id: str) -> None:
        """Raises Conflict while a job that has not ended needs it."""
        self.transport.request("DELETE", f"/v1/datasets/{dataset_id}", repeatable=False)
