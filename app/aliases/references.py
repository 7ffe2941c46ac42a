"""What a name stands for is neither removed nor unpinned."""

from sqlalchemy.orm import Session

from app.aliases import repository
from app.errors import Conflict


def refuse_named(session: Session, job_id: str, checkpoint_id: str | None = None) -> None:
    """Raises Conflict where a name stands for the checkpoint, or for one of the job's."""
    if names := repository.names_on(session, job_id, checkpoint_id):
        raise Conflict(f"The alias '{names[0]}' stands for it.", code="state_conflict")
