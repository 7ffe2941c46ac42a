"""Weights: safetensors files that models may start from (`initial_weights`)."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from descent.errors import DescentError
from descent.transport import Routes, document
from descent.types import Page, Weights

UPLOAD_SECONDS = 600.0


class WeightsRoutes(Routes):
    def upload_weights(self, file: Path | str, *, name: str | None = None) -> Weights:
        """Raises InvalidPayload for what is no safetensors file."""
        try:
            with Path(file).open("rb") as opened:
                files = {"file": (Path(file).name, opened)}
                fields = {} if name is None else {"name": name}
                reply = self.transport.upload("/v1/weights", fields, files, hold=UPLOAD_SECONDS)
        except OSError as error:
            raise DescentError(f"{error.filename} cannot be read: {error.strerror}") from None
        return cast(Weights, document(reply))

    def weights_uploads(self) -> Iterator[Weights]:
        """All that the project has uploaded, the newest first, without their tensors."""
        after: str | None = None
        while True:
            page = cast(Page[Weights], self.transport.get("/v1/weights", {"after": after, "limit": 200}))
            yield from page["data"]
            if not page["has_more"]:
                return
            after = page["last_id"]

    def weights_upload(self, weights_id: str) -> Weights:
        return cast(Weights, self.transport.get(f"/v1/weights/{weights_id}"))

    def delete_weights(self, weights_id: str) -> None:
        """Raises Conflict while a job that has not ended needs them."""
        self.transport.request("DELETE", f"/v1/weights/{weights_id}", repeatable=False)
