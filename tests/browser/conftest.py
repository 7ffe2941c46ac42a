"""Chromium, and the API that it visits."""

from collections.abc import Iterator

import pytest

from tests.app.conftest import add_epoch, address, api, client, end_job, make_api, run_job
from tests.browser import chromium
from tests.browser.chromium import Browser

__all__ = ["add_epoch", "address", "api", "client", "end_job", "make_api", "run_job"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    lacking = chromium.missing()
    if lacking is not None:
        pytest.skip(lacking)
    with chromium.browser() as opened:
        yield opened
