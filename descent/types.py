"""The documents of the REST contract. Unknown fields may come with them and are kept.

Numbers that are not finite travel as words in JSON ("NaN", "Infinity", "-Infinity"); the client turns them into floats.
Times are RFC 3339 in UTC.
"""

from collections.abc import Mapping
from typing import Any, Final, Generic, Literal, NotRequired, TypeAlias, TypedDict, TypeVar

Spec: TypeAlias = Mapping[str, Any]
Status: TypeAlias = Literal["queued", "running", "pausing", "paused", "cancelling", "cancelled", "succeeded", "failed"]
ENDED: Final = frozenset({"succeeded", "failed", "cancelled"})

Item = TypeVar("Item")


class Page(TypedDict, Generic[Item]):
    """A list of things with ids."""

    object: Literal["list"]
    data: list[Item]
    first_id: str | None
    last_id: str | None
    has_more: bool


class Rows(TypedDict, Generic[Item]):
    """A list of a job's rows by ascending `seq`; go on with `after_seq=last_seq`."""

    object: Literal["list"]
    data: list[Item]
    last_seq: int
    has_more: bool


class PointedError(TypedDict):
    pointer: str
    detail: str


class EpochRow(TypedDict):
    seq: int
    epoch: int
    attempt: int
    phase: int
    train_loss: float
    validation_loss: float | None
    metrics: dict[str, Any]
    learning_rates: list[float]
    gradient_norm: float | None
    samples: int
    duration_seconds: float
    samples_per_second: float
    finished_at: str
    parameters: NotRequired[dict[str, float]]
    """Of a Function model, before the update; `gradients` likewise."""
    gradients: NotRequired[dict[str, float]]
    ema_validation_loss: NotRequired[float]
    telemetry: NotRequired[Any]


class StepRow(TypedDict):
    seq: int
    step: int
    epoch: int
    attempt: int
    train_loss: float | None
    learning_rates: list[float]
    gradient_norm: float | None
    validation_loss: NotRequired[float]
    finished_at: str


class Event(TypedDict):
    seq: int
    type: str
    level: Literal["info", "warning", "error"]
    message: str
    data: dict[str, Any]
    attempt: int
    created_at: str


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


class Attempt(TypedDict):
    """One claim of a job by a worker, and how it ended."""

    attempt: int
    worker: str | None
    host: str | None
    device: str | None
    environment: dict[str, Any] | None
    started_at: str | None
    ended_at: str | None
    cause: str | None
    detail: Any
    resumed_from: Any
    steps_repeated: int | None
    verdict: Any


class Log(TypedDict):
    """The last lines of an attempt's stderr."""

    job_id: str
    attempt: int | None
    lines: list[str]
    truncated: bool


class Checkpoint(TypedDict):
    id: str
    object: Literal["checkpoint"]
    job_id: str
    epoch: int
    step: int
    attempt: int
    bytes: int
    sha256: str
    values: dict[str, Any]
    is_latest: bool
    is_best: bool
    pinned: bool
    created_at: str


class AliasSummary(TypedDict):
    """A name on a checkpoint."""

    id: str
    object: Literal["alias"]
    name: str
    checkpoint: str
    job_id: str
    version: int
    changed_at: str
    changed_by: str | None


class AliasMove(TypedDict):
    """`checkpoint` None: the name was taken off."""

    version: int
    job_id: str | None
    moved_at: str
    moved_by: str | None
    checkpoint: str | None


class Alias(AliasSummary):
    """The newest moves first."""

    history: list[AliasMove]


class DryRun(TypedDict):
    """What a job would be: nothing is stored."""

    resolved_spec: dict[str, Any]
    model: dict[str, Any]
    groups: list[dict[str, Any]]
    warnings: list[PointedError]
    steps_per_epoch: int
    initial_weights: NotRequired[dict[str, Any]]


class Dataset(TypedDict):
    """One version of a data set; `shape` and `classes` are of a sample whose inputs are all columns but the target."""

    id: str
    object: Literal["dataset"]
    name: str
    version: int
    format: str
    target: str | None
    samples: int
    shape: list[int] | None
    dtype: str | None
    classes: int | None
    class_names: list[str] | None
    bytes: int
    sha256: str
    columns: list[dict[str, Any]]
    warnings: list[str]
    published: bool
    created_at: str


class Weights(TypedDict):
    """An upload that models may start from; `parameters` counts the numbers in all its tensors."""

    id: str
    object: Literal["weights"]
    name: str | None
    parameters: int
    tensors: NotRequired[list[dict[str, Any]]]
    bytes: int
    sha256: str
    created_at: str


class ScheduleGroup(TypedDict):
    index: int
    lr: list[float]
    momentum: list[float | None] | None


class SchedulePreview(TypedDict):
    """`points` are epochs, or the steps of a schedule by step, from 0."""

    points: list[int]
    groups: list[ScheduleGroup]


class TrajectoryPoint(TypedDict):
    step: int
    parameters: dict[str, float]
    gradients: dict[str, float]
    loss: float


class SweepPoint(TypedDict):
    """The job of one point; `point` is its values by JSON pointer."""

    job_id: str
    point: dict[str, Any]
    status: Status
    best: dict[str, Any] | None


class SweepSummary(TypedDict):
    id: str
    object: Literal["sweep"]
    name: str | None
    status: Literal["running", "succeeded", "failed", "cancelled"]
    counts: dict[str, int]
    best: dict[str, Any] | None
    search: dict[str, Any]
    objective: dict[str, Any]
    max_parallel: int | None
    created_at: str
    finished_at: str | None


class Sweep(SweepSummary):
    spec: dict[str, Any]
    over: dict[str, Any]
    points: list[SweepPoint]


class SweepDryRun(TypedDict):
    count: int
    points: list[dict[str, Any]]
    objective: dict[str, Any]
    warnings: list[PointedError]


class SweepTable(TypedDict):
    """A row for each value: n, mean, deviation, 95% interval; differences are paired by equal seed."""

    sweep_id: str
    by: list[str]
    over: list[str]
    objective: dict[str, Any]
    target: float | None
    rows: list[dict[str, Any]]
    differences: list[dict[str, Any]]


class Project(TypedDict):
    id: str
    object: Literal["project"]
    name: str
    quotas: dict[str, Any]
    retention_days: int | None
    created_at: str


class Key(TypedDict):
    id: str
    object: Literal["key"]
    name: str
    projects: list[str] | Literal["*"]
    scopes: list[str]
    created_at: str
    expires_at: str | None
    last_used_at: str | None
    revoked_at: str | None


class SecretKey(Key):
    secret: str


class Token(TypedDict):
    id: str
    object: Literal["token"]
    secret: str
    jobs: list[str]
    sweep_id: str | None
    expires_at: str


class AuditEntry(TypedDict):
    id: str
    object: Literal["audit"]
    key_id: str
    method: str
    path: str
    target: str | None
    request_id: str
    created_at: str


class Webhook(TypedDict):
    id: str
    object: Literal["webhook"]
    name: str | None
    url: str
    events: list[str] | None
    enabled: bool
    disabled_reason: str | None
    failing_since: str | None
    created_at: str


class SecretWebhook(Webhook):
    secret: str


class WebhookDelivery(TypedDict):
    """One message to one webhook. `last_attempt`: at, status_code, error, response (its beginning), duration_ms."""

    id: str
    object: Literal["webhook_delivery"]
    webhook_id: str
    type: str
    subject: str
    status: str
    attempts: int
    next_attempt_at: str | None
    last_attempt: dict[str, Any] | None
    payload: dict[str, Any]
    created_at: str
    delivered_at: str | None


class Series(TypedDict):
    """One key of one job in a comparison: `x` and `y` are of equal length."""

    job_id: str
    name: str | None
    key: str
    x: list[Any]
    y: list[Any]


class FeedEntry(TypedDict):
    """One change in the project; what changed stands under its kind."""

    kind: str
    job_id: str
    cursor: str
    job: NotRequired[Job]
    epoch: NotRequired[EpochRow]
    event: NotRequired[Event]
    checkpoint: NotRequired[Checkpoint]


class Feed(TypedDict):
    data: list[FeedEntry]
    cursor: str
    has_more: bool


class StreamEvent(TypedDict):
    """One server-sent event: `type` is epoch, step, status, event or checkpoint; a status has the id 0."""

    id: int
    type: str
    data: dict[str, Any]
