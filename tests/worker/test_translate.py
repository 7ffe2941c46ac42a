from typing import Any

import pytest
import torch

from app.jobs.spec import resolve, validate
from tests.app.spec.documents import IRIS, changed, example_specs, facts_of
from worker.training import optimizers
from worker.training.config import Config
from worker.translate import translate

EXAMPLES = example_specs()
RUN = {"job": "job_x", "attempt": 1, "directory": "/store/jobs/job_x", "resume": None, "spec_sha256": "0"}


def config(document: dict[str, Any]) -> dict[str, Any]:
    return translate(resolve(validate(document), facts_of), data={"synthetic": {}}, run=RUN, facts_of=facts_of)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_engine_reads_the_config_of_every_example(name: str) -> None:
    parsed = Config.parse(config(EXAMPLES[name]))
    assert parsed.epochs == sum(stage.epochs for stage in validate(EXAMPLES[name]).stages())
    assert parsed.run.job == "job_x"


def test_patterns_are_names_and_formulas_are_trees() -> None:
    phase = config(EXAMPLES["schedule-lambda-groups"])["phases"][0]
    assert [group["params"] for group in phase["optimizer"]["groups"]] == [
        ["1.weight", "3.weight"],
        ["1.bias", "3.bias"],
    ]
    assert phase["scheduler"]["lr_lambda"] == [["**", 0.1, ["//", "epoch", 20.0]], ["**", 0.95, "epoch"]]


def test_what_thaws_joins_with_the_settings_of_its_own_group() -> None:
    first = {"type": "SGD", "lr": 0.1, "groups": [{"params": ".*bias", "lr": 0.5}]}
    phases = [{"epochs": 1, "freeze": ["3.*"], "optimizer": first}, {"epochs": 1}]
    document = config(changed(IRIS, {"/phases": phases, "/optimizer": ..., "/training/epochs": ...}))
    parameters = {name: torch.nn.Parameter(torch.zeros(1)) for name in ("1.weight", "1.bias", "3.weight", "3.bias")}
    settings, frozen = document["phases"][0]["optimizer"], document["phases"][0]["freeze"]
    optimizer = optimizers.build(settings, parameters, frozen, 0)
    assert optimizers.learning_rates(optimizer) == [0.5, 0.1]
    optimizers.add_thawed(optimizer, settings, parameters, [], "")
    assert optimizers.learning_rates(optimizer) == [0.5, 0.1, 0.5, 0.1]


def test_an_update_rule_is_assignments() -> None:
    rule = {"type": "UpdateRule", "lr": 0.1, "update": ["step_size = lr * grad", "param = param - step_size"]}
    optimizer = config(changed(IRIS, {"/optimizer": rule}))["phases"][0]["optimizer"]
    assert optimizer["update"] == [["step_size", ["*", "lr", "grad"]], ["param", ["-", "param", "step_size"]]]


def test_nested_schedules_have_one_clock() -> None:
    nested = {"type": "SequentialLR", "milestones": [3], "interval": "step"}
    inner = [{"type": "LinearLR"}, {"type": "LambdaLR", "lr_lambda": "1"}]
    scheduler = config(changed(IRIS, {"/scheduler": {**nested, "schedulers": inner}}))["phases"][0]["scheduler"]
    assert scheduler["interval"] == "step"
    assert [set(s) & {"interval"} for s in scheduler["schedulers"]] == [set(), set()]
    assert scheduler["schedulers"][1]["lr_lambda"] == 1.0


def test_epochs_and_reproducibility_stand_where_the_engine_looks() -> None:
    document = config(changed(IRIS, {"/training/reproducibility": "fast"}))
    assert document["reproducibility"] == "fast"
    assert document["phases"][0]["epochs"] == 10
    assert "epochs" not in document["training"]
