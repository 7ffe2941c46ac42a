"""The documents of the REST contract. Unknown fields may come with them and are kept.

Numbers that are not finite travel as words in JSON ("NaN", "Infinity", "-Infinity"); the client turns them into floats.
Times are RFC 3339 in UTC.
"""

from descent.types.administration import (
    AuditEntry,
    Key,
    Project,
    SecretKey,
    SecretWebhook,
    Token,
    Webhook,
    WebhookDelivery,
)
from descent.types.data import Alias, AliasMove, AliasSummary, Dataset, Weights
from descent.types.jobs import Best, DryRun, Job, JobError, Progress, Reproduction, Tested, Waiting
from descent.types.lists import ENDED, Page, PointedError, Rows, Spec, Status
from descent.types.news import Feed, FeedEntry, StreamEvent
from descent.types.rows import Attempt, Checkpoint, EpochRow, Event, Log, Series, StepRow
from descent.types.sweeps import (
    ScheduleGroup,
    SchedulePreview,
    Sweep,
    SweepDryRun,
    SweepPoint,
    SweepSummary,
    SweepTable,
    TrajectoryPoint,
)

__all__ = [
    "ENDED",
    "Alias",
    "AliasMove",
    "AliasSummary",
    "Attempt",
    "AuditEntry",
    "Best",
    "Checkpoint",
    "Dataset",
    "DryRun",
    "EpochRow",
    "Event",
    "Feed",
    "FeedEntry",
    "Job",
    "JobError",
    "Key",
    "Log",
    "Page",
    "PointedError",
    "Progress",
    "Project",
    "Reproduction",
    "Rows",
    "ScheduleGroup",
    "SchedulePreview",
    "SecretKey",
    "SecretWebhook",
    "Series",
    "Spec",
    "Status",
    "StepRow",
    "StreamEvent",
    "Sweep",
    "SweepDryRun",
    "SweepPoint",
    "SweepSummary",
    "SweepTable",
    "Tested",
    "Token",
    "TrajectoryPoint",
    "Waiting",
    "Webhook",
    "WebhookDelivery",
    "Weights",
]
