"""One running service for the tests of a session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.service import ENDED, Service

__all__ = ["ENDED", "EXAMPLES", "Service"]

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    with Service() as running:
        yield running
