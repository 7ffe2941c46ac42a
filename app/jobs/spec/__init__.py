"""The job spec: what a client may say, checked before anything is stored.

`validate(document)` reads it, `resolve(spec, facts_of)` fills it in; both raise SpecError with JSON pointers.
To add an optimizer: its class and its row in `optimizers.py`, its builder in `worker/training/optimizers`.
"""

from typing import Any

from pydantic import ValidationError

from app.datasets.builtin import builtin_facts
from app.jobs.spec import limits
from app.jobs.spec.errors import SpecError, from_pydantic
from app.jobs.spec.job import JobSpec
from app.jobs.spec.plan import Plan, plan
from app.jobs.spec.resolve import monitors, resolve, spec_sha256

__all__ = ["JobSpec", "Plan", "SpecError", "builtin_facts", "monitors", "plan", "resolve", "spec_sha256", "validate"]


def validate(document: Any) -> JobSpec:
    """The spec that a document means. Raises SpecError."""
    complaints = limits.check(document)
    if complaints:
        raise SpecError.of(complaints)
    try:
        return JobSpec.model_validate(document)
    except ValidationError as error:
        raise from_pydantic(error, document) from None
