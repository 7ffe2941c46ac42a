from typing import Any

import pytest

from app.jobs.spec import SpecError, builtin_facts, resolve, validate
from tests.app.spec.documents import FUNCTION, IRIS, changed
from worker.resolve import dry_run, resolve_names

SEQUENTIAL = changed(
    IRIS,
    {
        "/model": {
            "type": "Sequential",
            "layers": [
                {"type": "Linear", "out_features": 8, "name": "hidden"},
                {"type": "BatchNorm1d"},
                {"type": "ReLU"},
                {"type": "Linear"},
            ],
        }
    },
)
NAMES = ["hidden.weight", "hidden.bias", "1.weight", "1.bias", "3.weight", "3.bias"]


def resolved(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return resolve(
        validate(changed(document, {f"/{key.replace('__', '/')}": v for key, v in changes.items()})), builtin_facts
    )


def test_the_first_pattern_that_takes_the_whole_name_wins_and_the_rest_is_the_last_group() -> None:
    groups = [{"params": ".*bias", "lr": 0.5}, {"params": "1\\..*", "weight_decay": 0.1}, {"params": ".*bias|3.*"}]
    names = resolve_names(validate(resolved(SEQUENTIAL, optimizer__groups=groups)))
    assert names.stages[0].groups == [
        {"params": ["hidden.bias", "1.bias", "3.bias"], "lr": 0.5},
        {"params": ["1.weight"], "weight_decay": 0.1},
        {"params": ["3.weight"]},
        {"params": ["hidden.weight"]},
    ]


def test_a_default_group_that_would_be_empty_is_left_out() -> None:
    names = resolve_names(validate(resolved(SEQUENTIAL, optimizer__groups=[{"params": ".*"}])))
    assert names.stages[0].groups == [{"params": NAMES}]


@pytest.mark.parametrize(
    ("changes", "pointer", "words"),
    [
        (
            {"optimizer__groups": [{"params": "weight"}]},
            "/optimizer/groups/0/params",
            "whole name; there are: hidden",
        ),
        (
            {"optimizer__groups": [{"params": ".*"}, {"params": "3.*"}]},
            "/optimizer/groups/1/params",
            "earlier group",
        ),
        (
            {"optimizer": {"type": "Muon"}},
            "/optimizer/type",
            "only; these are not: hidden.bias",
        ),
        ({"optimizer": {"type": "SparseAdam"}}, "/optimizer/type", "sparse gradients only"),
        (
            {"optimizer__groups": [{"params": ".*"}], "scheduler": {"type": "LambdaLR", "lr_lambda": ["1", "1"]}},
            "/scheduler/lr_lambda",
            "2 values for 1",
        ),
        ({"model__layers": [{"type": "Flatten"}]}, "/model", "no parameters"),
        ({"training__batch_size": 119}, "/training/batch_size", "batch of one sample"),
        ({"model__layers__3__out_features": 2}, "/model/layers/3/out_features", "2 numbers for 3 classes"),
        ({"model__layers__3__in_features": 7}, "/model/layers/3/in_features", "is 7, but the input has 8"),
        ({"model__layers__2": {"type": "Conv2d", "kernel_size": 3, "out_channels": 2}}, "/model/layers/2", "shape"),
        ({"model__layers__0__out_features": ...}, "/model/layers/0/out_features", "is required"),
        (
            {"model__initialization": [{"params": ".*", "type": "xavier_uniform_"}]},
            "/model/initialization/0/params",
            "hidden.bias of shape [8]",
        ),
        (
            {
                "model__layers__2": {"type": "Unflatten", "dim": 1, "unflattened_size": [4, 2], "name": "u"},
                "model__layers__3": {"type": "Conv1d", "out_channels": 3, "kernel_size": 2, "name": "c"},
                "model__initialization": [{"params": "c.weight", "type": "dirac_", "groups": 2}],
            },
            "/model/initialization/0/params",
            "c.weight of shape [3, 4, 2]",
        ),
        (
            {"model__initialization": [{"params": "x", "type": "zeros_"}]},
            "/model/initialization/0/params",
            "matches no",
        ),
    ],
)
def test_what_the_model_alone_shows_is_refused_with_the_pointer(
    changes: dict[str, Any], pointer: str, words: str
) -> None:
    document = resolved(SEQUENTIAL, **changes)
    with pytest.raises(SpecError) as caught:
        dry_run(document)
    assert caught.value.errors[0]["pointer"] == pointer
    assert words in caught.value.errors[0]["detail"]


def test_a_number_target_asks_for_its_width() -> None:
    regression = {"loss": {"type": "MSELoss"}, "metrics": [], "data__dataset": "diabetes"}
    assert dry_run(resolved(SEQUENTIAL, **regression))["model"]["layers"][-1]["output_shape"] == [1]
    with pytest.raises(SpecError, match="its target is 1 number"):
        dry_run(resolved(SEQUENTIAL, **regression, model__layers__3__out_features=2))


def test_phases_freeze_by_pattern_and_thaw_into_the_optimizer() -> None:
    phases = [
        {"epochs": 1, "freeze": ["hidden.*", "1.*"], "optimizer": {"type": "Adam", "groups": [{"params": ".*bias"}]}},
        {"epochs": 1, "scheduler": {"type": "LambdaLR", "lr_lambda": ["1", "1", "1", "1"]}},
        {"epochs": 1, "optimizer": {"type": "SGD"}},
    ]
    document = changed(SEQUENTIAL, {"/phases": phases, "/optimizer": ..., "/training/epochs": ...})
    stages = resolve_names(validate(resolve(validate(document), builtin_facts))).stages
    assert stages[0].freeze == NAMES[:4]
    assert stages[0].groups == [{"params": ["3.bias"]}, {"params": ["3.weight"]}]
    assert stages[1] == (None, [])  # four groups from here on: two, and two that thaw
    assert stages[2].groups == [{"params": NAMES}]


def test_a_group_may_wait_until_its_parameters_thaw() -> None:
    groups = [{"params": "hidden.*", "lr": 0.001}, {"params": ".*bias", "lr": 0.01}]
    phases: list[dict[str, Any]] = [
        {"epochs": 1, "freeze": ["hidden.*"], "optimizer": {"type": "Adam", "groups": groups}},
        {"epochs": 1, "scheduler": {"type": "LambdaLR", "lr_lambda": ["1", "1", "1"]}},
    ]
    document = changed(SEQUENTIAL, {"/phases": phases, "/optimizer": ..., "/training/epochs": ...})
    stages = resolve_names(validate(resolve(validate(document), builtin_facts))).stages
    assert stages[0].groups is not None
    assert [(group["params"], group.get("lr")) for group in stages[0].groups] == [
        (["1.bias", "3.bias"], 0.01),
        (["1.weight", "3.weight"], None),
    ]
    for late in ({"freeze": ["hidden.*"]}, {"optimizer": {"type": "Adam"}}):  # then it would wait for ever
        phases[1] = {"epochs": 1, **late}
        with pytest.raises(SpecError, match="takes nothing") as caught:
            resolve_names(validate(changed(document, {"/phases": phases})))
        assert caught.value.errors[0]["pointer"] == "/phases/0/optimizer/groups/0/params"


def test_what_thaws_cannot_join_lbfgs() -> None:
    phases = [{"epochs": 1, "freeze": ["3.*"], "optimizer": {"type": "LBFGS"}}, {"epochs": 1}]
    document = changed(SEQUENTIAL, {"/phases": phases, "/optimizer": ..., "/training/epochs": ...})
    with pytest.raises(SpecError, match="takes no further group") as caught:
        resolve_names(validate(document))
    assert caught.value.errors[0]["pointer"] == "/phases/1"
    phases[1]["freeze"] = ["3.*"]
    resolve_names(validate(changed(document, {"/phases": phases})))


CYCLE = {"type": "CyclicLR", "base_lr": 0.001, "max_lr": 0.01}
FLAT = {**CYCLE, "max_momentum": 0}


@pytest.mark.parametrize(
    ("optimizer", "second", "pointer", "words"),
    [
        ({"type": "RMSprop"}, {"scheduler": CYCLE}, "/phases/1/scheduler/cycle_momentum", "began without one"),
        (
            {"type": "RMSprop", "momentum": 0.9},
            {"optimizer": {"type": "RMSprop"}, "scheduler": {"type": "ChainedScheduler", "schedulers": [FLAT]}},
            "/phases/1/scheduler/schedulers/0/max_momentum",
            "above 0",
        ),
        ({"type": "LBFGS"}, {"freeze": ["3.*"]}, "/phases/1/freeze", "still be moved"),
    ],
)
def test_what_an_optimizer_cannot_carry_into_a_phase(
    optimizer: dict[str, Any], second: dict[str, Any], pointer: str, words: str
) -> None:
    phases = [{"epochs": 1, "optimizer": optimizer}, {"epochs": 1, **second}]
    document = changed(SEQUENTIAL, {"/phases": phases, "/optimizer": ..., "/training/epochs": ...})
    with pytest.raises(SpecError, match=words) as caught:
        resolve_names(validate(document))
    assert caught.value.errors[0]["pointer"] == pointer
    phases[0]["optimizer"] = {"type": "RMSprop", "momentum": 0.5}
    phases[1] = {"epochs": 1, "scheduler": CYCLE}
    resolve_names(validate(changed(document, {"/phases": phases})))


def test_a_penalty_makes_sparse_gradients_dense() -> None:
    tokens = {"type": "synthetic", "task": "tokens", "samples": 60, "shape": [5], "classes": 7}
    layers = [{"type": "Embedding", "sparse": True}]
    document = changed(
        IRIS,
        {
            "/data": {"dataset": tokens},
            "/model": {"type": "Sequential", "layers": layers},
            "/optimizer": {"type": "SparseAdam"},
            "/training/l1": 0.1,
        },
    )
    with pytest.raises(SpecError, match="dense") as caught:
        resolve_names(validate(document))
    assert caught.value.errors[0]["pointer"] == "/training/l1"
    for changes in ({"/training/l1": 0.0}, {"/optimizer/type": "SGD"}):
        resolve_names(validate(changed(document, changes)))


def test_an_embedding_has_a_row_for_each_token() -> None:
    tokens = {"type": "synthetic", "task": "tokens", "samples": 60, "shape": [5], "classes": 7}
    layers: list[dict[str, Any]] = [{"type": "Embedding", "embedding_dim": 2, "num_embeddings": 6}, {"type": "Linear"}]
    for model, pointer in (
        ({"type": "Sequential", "layers": layers}, "/model/layers/0/num_embeddings"),
        ({"type": "GPT", "vocab_size": 6}, "/model/vocab_size"),
    ):
        document = changed(IRIS, {"/data": {"dataset": tokens}, "/model": model, "/metrics": []})
        with pytest.raises(SpecError, match="is 6, but the data has 7 tokens") as caught:
            resolve_names(validate(document))
        assert caught.value.errors[0]["pointer"] == pointer


def test_a_node_that_the_output_does_not_need_is_not_the_last_layer() -> None:
    head, spare = ({"name": name, "type": "Linear", "inputs": ["x"]} for name in ("head", "spare"))
    nodes = [head, {**spare, "out_features": 9}]
    document = resolved(changed(IRIS, {"/model": {"type": "Graph", "nodes": nodes, "output": "head"}}))
    assert dry_run(document)["resolved_spec"]["model"]["nodes"][0]["out_features"] == 3


def test_a_freeze_pattern_that_matches_nothing_is_refused() -> None:
    phases = [{"epochs": 1, "freeze": ["nope"], "optimizer": {"type": "Adam"}}]
    document = changed(SEQUENTIAL, {"/phases": phases, "/optimizer": ..., "/training/epochs": ...})
    with pytest.raises(SpecError) as caught:
        resolve_names(validate(document))
    assert caught.value.errors[0]["pointer"] == "/phases/0/freeze/0"


def test_a_dry_run_tells_what_the_model_is_and_costs() -> None:
    report = dry_run(resolved(SEQUENTIAL, optimizer={"type": "Adam", "groups": [{"params": ".*bias", "lr": 0.5}]}))
    assert report["model"] == {
        "parameters": 4 * 8 + 8 + 16 + 8 * 3 + 3,
        "trainable_parameters": 83,
        "flops_per_sample": 2 * (4 * 8 + 8 * 3),
        "parameter_bytes": 4 * 83,
        "optimizer_bytes": 2 * 4 * 83,
        "activation_bytes": 4 * 24 * (8 + 8 + 8 + 3),
        "layers": [
            {"name": "hidden", "type": "Linear", "output_shape": [8], "parameters": 40},
            {"name": "1", "type": "BatchNorm1d", "output_shape": [8], "parameters": 16},
            {"name": "2", "type": "ReLU", "output_shape": [8], "parameters": 0},
            {"name": "3", "type": "Linear", "output_shape": [3], "parameters": 27},
        ],
    }
    first, second = report["groups"]
    assert (first["index"], first["count"], first["lr"]) == (0, 3, 0.5)
    assert (second["parameters"], second["lr"], second["betas"]) == (NAMES[::2], 0.001, [0.9, 0.999])
    assert report["resolved_spec"]["model"]["layers"][3]["in_features"] == 8
    assert report["warnings"] == []


@pytest.mark.parametrize(
    ("optimizer", "scheduler", "numbers"),
    [
        ({"type": "SGD", "groups": [{"params": "hidden.*", "momentum": 0.9}]}, None, 40),
        ({"type": "SGD"}, {"type": "CyclicLR", "base_lr": 0.1, "max_lr": 0.2}, 83),
        ({"type": "Adam", "amsgrad": True, "groups": [{"params": "3.*", "amsgrad": False}]}, None, 3 * 56 + 2 * 27),
    ],
)
def test_an_optimizers_bytes_are_those_of_its_groups(optimizer: Any, scheduler: Any, numbers: int) -> None:
    report = dry_run(resolved(SEQUENTIAL, optimizer=optimizer, scheduler=scheduler))
    assert report["model"]["optimizer_bytes"] == 4 * numbers


def test_a_dry_run_of_a_function() -> None:
    report = dry_run(resolved(FUNCTION))
    assert report["model"]["parameters"] == 1
    assert report["groups"][0]["parameters"] == ["x"]
    assert report["resolved_spec"] == resolved(FUNCTION)


def test_what_is_probably_not_meant_is_a_warning() -> None:
    document = resolved(SEQUENTIAL, loss={"type": "NLLLoss"}, training__batch_size=500)
    assert [warning["pointer"] for warning in dry_run(document)["warnings"]] == ["/loss/type", "/training/batch_size"]


def test_the_batch_taken_for_the_time_is_a_warning() -> None:
    layers = [{"type": "Reshape", "shape": [2, 2]}, {"type": "GRU", "hidden_size": 3}, {"type": "Flatten"}]
    document = changed(SEQUENTIAL, {"/model/layers": [*layers, {"type": "Linear"}]})
    assert [warning["pointer"] for warning in dry_run(resolved(document))["warnings"]] == ["/model/layers/1"]
    layers[1]["batch_first"] = True
    document = changed(SEQUENTIAL, {"/model/layers": [*layers, {"type": "Linear"}]})
    assert dry_run(resolved(document))["warnings"] == []


@pytest.mark.parametrize(
    ("loss", "last", "pointer"),
    [
        ("CrossEntropyLoss", {"type": "Softmax", "dim": 1}, "/loss/type"),
        ("CrossEntropyLoss", {"type": "Tanh"}, None),
        ("CrossEntropyLoss", {"type": "Sigmoid"}, "/loss/type"),
        ("NLLLoss", {"type": "Tanh"}, "/loss/type"),
        ("NLLLoss", {"type": "LogSoftmax", "dim": 1}, None),
        ("NLLLoss", {"type": "LogSoftmax", "dim": 0}, "/model/layers/4/dim"),
    ],
)
def test_a_last_layer_that_the_loss_does_not_expect_is_a_warning(
    loss: str, last: dict[str, Any], pointer: str | None
) -> None:
    ends = [*SEQUENTIAL["model"]["layers"], last, {"type": "Flatten"}]
    document = changed(SEQUENTIAL, {"/model/layers": ends, "/loss": {"type": loss}})
    assert [warning["pointer"] for warning in dry_run(resolved(document))["warnings"]] == [pointer] * bool(pointer)


@pytest.mark.parametrize("loss", ["MSELoss", "HuberLoss", "PoissonNLLLoss"])
def test_numbers_from_a_last_linear_layer_are_no_warning(loss: str) -> None:
    document = changed(SEQUENTIAL, {"/data/dataset": "diabetes", "/loss": {"type": loss}, "/metrics": []})
    document["model"]["layers"][-1].pop("out_features", None)
    assert dry_run(resolved(document))["warnings"] == []
