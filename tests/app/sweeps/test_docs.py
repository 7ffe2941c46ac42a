"""The guide's example is a sweep that the service takes."""

import json
import re
from pathlib import Path

from tests.app.conftest import Api

GUIDE = Path(__file__).parents[3] / "docs/sweeps.md"


def test_the_guides_sweep_has_twelve_points(api: Api) -> None:
    [example] = re.findall(r"```json\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    reply = api.post("/v1/sweeps?dry_run=true", json=json.loads(example))
    assert (reply.status_code, reply.json()["count"]) == (200, 12)
