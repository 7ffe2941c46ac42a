"""The previews worker over a real broker: an answer, a refusal, and its place among the workers."""

import pytest

from app.errors import Unavailable
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


@pytest.mark.slow
def test_an_endless_question_holds_up_no_other(workers: Workers) -> None:
    workers.start("--queues", "previews")
    workers.until(lambda: workers.rows("SELECT queue FROM worker"))
    optimizer = {"type": "LBFGS", "max_iter": 100_000, "tolerance_grad": 0, "tolerance_change": 0}
    model = {"type": "Function", "expression": "x + sin(1000 * x)", "initial": {"x": 1}}
    endless = {"model": model, "optimizer": optimizer, "training": {"epochs": 5000}}
    small = {**endless, "optimizer": {"type": "SGD", "lr": 0.1}, "training": {"epochs": 2}}
    with pytest.raises(Unavailable, match="within 3 seconds"):
        previews.ask("trajectory", {"resolved_spec": resolve(validate(endless), builtin_facts)}, seconds=3)
    found = previews.ask("trajectory", {"resolved_spec": resolve(validate(small), builtin_facts)}, seconds=10)
    assert len(found["path"]) == 3
