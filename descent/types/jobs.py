"""Jobs, and what a dry run says of one."""

from typing import Any, Literal, NotRequired, TypedDict

from descent.types.lists import PointedError, Status
from descent.types.rows import EpochRow


class Progress(TypedDict):
    epoch: int
    epochs: int
    step: int
    steps: int | None
    phase: int
    fraction: float
    eta_seconds: float | None


class Waiting(TypedDict):
    """Why a queued job does not run: the reason as a word, one sentence in `detail`."""

    reason: str
    detail: str
    position: int | None
    since: str


class Best(TypedDict):
    monitor: str
    mode: Literal["min", "max"]
    value: float
    epoch: int
    checkpoint: str | None


class Tested(TypedDict):
    """Of the test part, looked at once, at the end."""

    loss: float | None
    metrics: dict[str, Any]
    checkpoint: NotRequired[str | None]


class JobError(TypedDict):
    code: str
    message: str
    detail: Any


class Reproduction(TypedDict):
    """How a job that trains another one again compares with it; the verdict is None until it has ended."""

    job_id: str
    verdict: Literal["bit_exact", "differs"] | None
    first_difference: dict[str, Any] | None
    environment_differs: bool | None
    environment: NotRequired[list[str]]
    weights_sha256: NotRequired[str]
    detail: NotRequired[str]


class Job(TypedDict):
    """`spec` and `resolved_spec` are left out of the summaries in a list."""

    id: str
    object: Literal["job"]
    name: str | None
    status: Status
    activity: str | None
    spec: NotRequired[dict[str, Any]]
    resolved_spec: NotRequired[dict[str, Any]]
    spec_sha256: str
    seed: int
    metadata: dict[str, str]
    priority: int
    progress: Progress
    latest: EpochRow | None
    best: Best | None
    test: Tested | None
    latest_checkpoint: str | None
    attempt: int
    worker: str | None
    device: str | None
    waiting: Waiting | None
    stopped: dict[str, Any] | None
    parent: dict[str, str] | None
    sweep_id: str | None
    error: JobError | None
    created_at: str
    queued_at: str
    started_at: str | None
    finished_at: str | None
    version: int
    warnings: NotRequired[list[PointedError]]
    reproduction: NotRequired[Reproduction]


class DryRun(TypedDict):
    """What a job would be: nothing is stored."""

    resolved_spec: dict[str, Any]
    model: dict[str, Any]
    groups: list[dict[str, Any]]
    warnings: list[PointedError]
    steps_per_epoch: int
    initial_weights: NotRequired[dict[str, Any]]
