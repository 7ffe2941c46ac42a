"""The previews worker over a real broker: an answer, a refusal, and its place among the workers."""

import pytest

from app.jobs.spec import builtin_facts, resolve, validate
from app.previews import service as previews
from tests.worker.conftest import Workers, example

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]


@pytest.mark.slow
def test_a_question_is_answered_by_torch(workers: Workers) -> None:
    workers.start("--queues", "previews")
    row = workers.until(lambda: workers.rows("SELECT queue, slots, state FROM worker"))[0]
    assert row == {"queue": "previews", "slots": 1, "state": "active"}
    resolved = resolve(validate(example("digits-cnn-adam", 3)), builtin_facts)
    found = previews.ask("dry_run", {"resolved_spec": resolved, "facts": {}}, seconds=20)
    assert found["model"]["parameters"] == found["model"]["trainable_parameters"] > 20_000
    resolved["model"]["layers"][3]["in_channels"] = 7
    with pytest.raises(previews.Refused) as refused:
        previews.ask("dry_run", {"resolved_spec": resolved, "facts": {}}, seconds=20)
    assert refused.value.errors[0]["pointer"].startswith("/model/layers/3")
