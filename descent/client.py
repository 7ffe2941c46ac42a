"""The typed client: one method for each thing that the REST contract can do.

from descent import Client

with Client() as client:
    job = client.submit(spec)
    for row in client.epochs_follow(job):
        print(row["epoch"], row["train_loss"], row["learning_rates"])
    job = client.wait(job, check=True)
    client.save_weights(job, "model.safetensors", "best")
"""

from pathlib import Path
from types import TracebackType
from typing import Self

from descent.connection import find_connection
from descent.routes.administration import AdministrationRoutes
from descent.routes.aliases import AliasRoutes
from descent.routes.checkpoints import CheckpointRoutes
from descent.routes.datasets import DatasetRoutes
from descent.routes.export import ExportRoutes
from descent.routes.operating import OperatingRoutes
from descent.routes.previews import PreviewRoutes
from descent.routes.rows import RowRoutes
from descent.routes.runs import RunRoutes
from descent.routes.stream import StreamRoutes
from descent.routes.sweeps import SweepRoutes
from descent.routes.webhooks import WebhookRoutes
from descent.routes.weights import WeightsRoutes
from descent.transport import OnRetry, Transport


class Client(
    RowRoutes,
    StreamRoutes,
    AliasRoutes,
    ExportRoutes,
    CheckpointRoutes,
    RunRoutes,
    SweepRoutes,
    DatasetRoutes,
    WeightsRoutes,
    PreviewRoutes,
    WebhookRoutes,
    AdministrationRoutes,
    OperatingRoutes,
):
    """Finds the service by itself (see `connection.py`). Safe to use from several threads. Errors: DescentError."""

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        state: Path | str | None = None,
        project: str | None = None,
        timeout: float = 30.0,
        patience: float = 15.0,
        on_retry: OnRetry | None = None,
    ) -> None:
        """`timeout`: seconds of silence that end a request. `patience`: seconds a request may be tried again for.

        `project`: one of the key's projects (default: its first). `on_retry` is told of each error that is tried again.
        """
        connection = find_connection(url, api_key, state)
        super().__init__(Transport(connection, timeout, patience, on_retry, project))

    @property
    def url(self) -> str:
        return self.transport.connection.url

    def close(self) -> None:
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
