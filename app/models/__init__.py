"""The tables, shared by the API's domains and the workers."""

from app.models.alias import Alias, AliasMove
from app.models.base import Base
from app.models.dataset import Blob, Dataset, DatasetFile, DatasetName
from app.models.job import Attempt, AttemptLog, Checkpoint, Epoch, Event, Job, Step
from app.models.operating import ApiKey, Audit, IdempotencyKey, Installation, Project, Worker
from app.models.sweep import Sweep, SweepPoint, SweepRung
from app.models.webhook import Webhook, WebhookDelivery
from app.models.weights import Weights

__all__ = [
    "Alias",
    "AliasMove",
    "ApiKey",
    "Attempt",
    "AttemptLog",
    "Audit",
    "Base",
    "Blob",
    "Checkpoint",
    "Dataset",
    "DatasetFile",
    "DatasetName",
    "Epoch",
    "Event",
    "IdempotencyKey",
    "Installation",
    "Job",
    "Project",
    "Step",
    "Sweep",
    "SweepPoint",
    "SweepRung",
    "Webhook",
    "WebhookDelivery",
    "Weights",
    "Worker",
]
