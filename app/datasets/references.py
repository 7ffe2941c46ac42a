"""From what a spec calls a data set ("ds_…", "name@latest", "name@3", "mnist") to its facts and its files."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from app.database import ProjectSession, Role, session_scope
from app.datasets import repository
from app.datasets.builtin import BUILTIN, INSTALLABLE, builtin_facts
from app.datasets.facts import UnknownDataset
from app.datasets.stored import Known, Parts, Stored
from app.models import Dataset

ID = re.compile(r"ds_[0-9a-z]{26}")
VERSION = re.compile(r"([A-Za-z0-9][A-Za-z0-9 ._-]{0,99})@(latest|[1-9][0-9]{0,17})")


class Catalog(Known):
    """The data sets that a project's specs may name.

    Each question is a short transaction of its own; an answer is remembered, so that "@latest" stays the same one.
    """

    def __init__(self, project_id: str, role: Role = "descent_api") -> None:
        super().__init__()
        self.project_id = project_id
        self.role: Role = role

    def find(self, reference: str) -> Parts:
        """Raises UnknownDataset: not there, another project's, or not installed yet."""
        if reference not in self._found:
            with self._session() as session:
                parts = self._look_up(session, reference)
            self._found |= {reference: parts, parts["train"].reference: parts}
        return self._found[reference]

    @contextmanager
    def _session(self) -> Iterator[Session]:
        if self.role == "descent_api":
            with ProjectSession(self.project_id) as session:
                yield session
        else:
            with session_scope(self.role) as session:
                yield session

    def _look_up(self, session: Session, reference: str) -> Parts:
        if reference in INSTALLABLE:
            parts = repository.get_installed(session, reference)
            if not parts:
                builtin_facts(reference)  # raises, and says how to install it
            return {part: _stored(session, dataset, reference) for part, dataset in parts.items()}
        dataset = None
        if ID.fullmatch(reference):
            dataset = repository.get_dataset(session, self.project_id, reference)
        elif (match := VERSION.fullmatch(reference)) is not None:
            version = None if match[2] == "latest" else int(match[2])
            dataset = repository.get_version(session, self.project_id, match[1], version)
        if dataset is None:
            raise UnknownDataset(f"there is no data set {reference[:100]!r}; {self._offered(session, reference)}")
        return {"train": _stored(session, dataset, dataset.id)}

    def _offered(self, session: Session, reference: str) -> str:
        """What there is of that name, else what is built in."""
        name = reference.partition("@")[0]
        latest = None
        if VERSION.fullmatch(f"{name}@latest"):
            latest = repository.get_version(session, self.project_id, name, None)
        return (
            f"built in are: {', '.join(BUILTIN)}"
            if latest is None
            else f"there is {name}@latest ({name}@{latest.version})"
        )


def _stored(session: Session, dataset: Dataset, reference: str) -> Stored:
    files = repository.files_of(session, dataset.id)
    return Stored(reference, dataset.format, dataset.sha256, dataset.description, files)
