import time
from typing import Any

import pytest

from app.jobs.spec import SpecError, builtin_facts, resolve, spec_sha256, validate
from tests.app.spec.documents import FUNCTION, IRIS, changed, example_specs, facts_of

EXAMPLES = example_specs()
GUARDED = {
    "type": "UpdateRule",
    "lr": 0.1,
    "hyperparameters": {"a": 0},
    "update": ["b = where(a == 0, grad, grad / a)", "b = 0 * b", "param = param - lr / (1 + b) * grad / step"],
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_resolve_and_their_resolved_spec_is_a_spec_that_resolves_to_itself(name: str) -> None:
    resolved = resolve(validate(EXAMPLES[name]), facts_of)
    again = resolve(validate(resolved), facts_of)
    assert again == resolved
    assert spec_sha256(again) == spec_sha256(resolved)


LABELS = changed(
    IRIS,
    {
        "/data": {"dataset": {"type": "inline", "inputs": [[1.0, 2.0]], "targets": [[1, -1, 0]]}},
        "/loss": {"type": "MultiLabelMarginLoss"},
        "/metrics": ...,
    },
)

CYCLE = {"type": "CyclicLR", "base_lr": 0.001, "max_lr": 0.01, "cycle_momentum": False}

# (changes to a good document, pointer of the error, words of its detail)
WRONG: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    (IRIS, {"/optimzer": {}}, "/optimzer", "did you mean 'optimizer'"),
    (IRIS, {"/model": ...}, "/model", "is required"),
    (IRIS, {"/model/type": "MPL"}, "/model/type", "did you mean 'MLP'"),
    (IRIS, {"/model": {"hidden": []}}, "/model/type", "is required"),
    (IRIS, {"/model": []}, "/model", "must be an object"),
    (IRIS, {"/seed": True}, "/seed", "whole number"),
    (IRIS, {"/seed": 2**31}, "/seed", "less than"),
    (IRIS, {"/seed": 1.5}, "/seed", "whole number"),
    (IRIS, {"/optimizer/lr": "0.1"}, "/optimizer/lr", "must be a number"),
    (IRIS, {"/optimizer/lr": float("nan")}, "/optimizer/lr", "finite"),
    (IRIS, {"/optimizer/lr": 10**400}, "/optimizer/lr", "finite"),
    (IRIS, {"/optimizer/lr": -1}, "/optimizer/lr", "greater than or equal to 0"),
    (IRIS, {"/optimizer/type": "Adm"}, "/optimizer/type", "did you mean 'Adam'"),
    (IRIS, {"/optimizer/betas": [0.9, 0.99]}, "/optimizer/betas", "unknown key"),
    (IRIS, {"/optimizer": ...}, "/optimizer", "is required"),
    (IRIS, {"/optimizer": {"type": "Adam", "betas": [0.9, 1.0]}}, "/optimizer/betas/1", "less than 1"),
    (IRIS, {"/optimizer": {"type": "Adam", "betas": [0.9]}}, "/optimizer/betas/1", "is required"),
    (IRIS, {"/optimizer/nesterov": True}, "/optimizer/nesterov", "momentum"),
    (
        IRIS,
        {"/optimizer": {"type": "SGD", "nesterov": True, "momentum": 0.9, "dampening": 0.1}},
        "/optimizer/nesterov",
        "dampening",
    ),
    (IRIS, {"/optimizer": {"type": "Adam", "fused": True, "foreach": True}}, "/optimizer/foreach", "fused"),
    *(
        (IRIS, {"/training/precision": "float16", "/optimizer/fused": True, **changes}, "/optimizer/fused", "undefined")
        for changes in (
            {"/optimizer/momentum": 0.9},
            {"/optimizer/groups": [{"params": ".*bias", "momentum": 0.5}]},
            {"/scheduler": {"type": "OneCycleLR", "max_lr": 0.1, "total_steps": 50, "interval": "step"}},
        )
    ),
    (IRIS, {"/optimizer": {"type": "Adam", "differentiable": True}}, "/optimizer/differentiable", "false"),
    (IRIS, {"/optimizer": {"type": "RAdam", "capturable": True}}, "/optimizer/capturable", "CUDA"),
    (IRIS, {"/optimizer": {"type": "Rprop", "etas": [1.5, 1.2]}}, "/optimizer/etas/0", "less than 1"),
    (IRIS, {"/optimizer": {"type": "LBFGS", "groups": [{"params": ".*"}]}}, "/optimizer/groups", "no parameter groups"),
    (IRIS, {"/optimizer/groups": [{"params": "("}]}, "/optimizer/groups/0/params", "RE2"),
    (IRIS, {"/optimizer/groups": [{"params": "(?=a)"}]}, "/optimizer/groups/0/params", "RE2"),
    (IRIS, {"/optimizer/groups": [{"params": "a" * 201}]}, "/optimizer/groups/0/params", "must have at most 200"),
    (IRIS, {"/optimizer/groups": [{"params": ["a"]}]}, "/optimizer/groups/0/params", "must be text"),
    (IRIS, {"/optimizer/groups": [{"lr": 0.1}]}, "/optimizer/groups/0/params", "is required"),
    (IRIS, {"/optimizer/groups": [{"params": ".*", "lr": -1}]}, "/optimizer/groups/0/lr", "greater than"),
    (IRIS, {"/optimizer/groups": [{"params": ".*", "Lr": 1}]}, "/optimizer/groups/0/Lr", "did you mean 'lr'"),
    (IRIS, {"/optimizer/groups": [{"params": ".*", "fused": True}]}, "/optimizer/groups/0/fused", "as a whole"),
    (IRIS, {"/loss": {"type": "MultiLabelMarginLoss"}, "/metrics": ...}, "/loss/type", "rows of classes"),
    (LABELS, {"/data/dataset/targets": [[0, 3, -1]]}, "/data/dataset/targets/0", "0 to 2"),
    (LABELS, {"/data/dataset/targets": [[0.5, -1, -1]]}, "/data/dataset/targets/0", "0 to 2"),
    (LABELS, {"/metrics": ["accuracy"]}, "/metrics/0", "lists of classes"),
    (IRIS, {"/scheduler": {"type": "StepLR"}}, "/scheduler/step_size", "is required"),
    (IRIS, {"/scheduler": {"type": "StepLR", "step_size": 0}}, "/scheduler/step_size", "greater than or equal to 1"),
    (IRIS, {"/scheduler": {"type": "CosineAnnealingLR", "T_max": 0}}, "/scheduler/T_max", "greater than or equal to 1"),
    (IRIS, {"/scheduler": {"type": "OneCycleLR", "max_lr": 1}}, "/scheduler/total_steps", "is required"),
    (
        IRIS,
        {"/scheduler": {"type": "OneCycleLR", "max_lr": 1, "total_steps": 9}},
        "/scheduler/total_steps",
        "10 will be",
    ),
    (
        IRIS,
        {"/scheduler": {"type": "OneCycleLR", "max_lr": 1, "epochs": 9, "steps_per_epoch": 5, "interval": "step"}},
        "/scheduler/epochs",
        "50 will be",
    ),
    (
        IRIS,
        {"/scheduler": {"type": "OneCycleLR", "max_lr": 1, "total_steps": 10, "pct_start": 0.1}},
        "/scheduler/pct_start",
        "no length",
    ),
    (
        IRIS,
        {"/optimizer": {"type": "Adagrad"}, "/scheduler": {"type": "OneCycleLR", "max_lr": 1, "total_steps": 20}},
        "/scheduler/cycle_momentum",
        "neither momentum nor betas",
    ),
    (IRIS, {"/scheduler": {"type": "LambdaLR", "lr_lambda": ["1", "1"]}}, "/scheduler/lr_lambda", "2 values for 1"),
    (IRIS, {"/scheduler": {"type": "LambdaLR", "lr_lambda": "1 +* 2"}}, "/scheduler/lr_lambda", "column 4"),
    (IRIS, {"/scheduler": {"type": "LambdaLR", "lr_lambda": ["1", "t"]}}, "/scheduler/lr_lambda/1", "unknown name 't'"),
    (IRIS, {"/scheduler": {"type": "LambdaLR", "lr_lambda": "1 / (5 - epoch)"}}, "/scheduler/lr_lambda", "epoch = 5"),
    (IRIS, {"/scheduler": {"type": "MultiplicativeLR", "lr_lambda": "1e99"}}, "/scheduler/lr_lambda", "not finite"),
    (IRIS, {"/scheduler": {"type": "ConstantLR", "factor": 0}}, "/scheduler/factor", "after 5 steps torch divides"),
    (IRIS, {"/scheduler": {"type": "MultiStepLR", "milestones": [2, 2], "gamma": 1e200}}, "/scheduler/gamma", "large"),
    (IRIS, {"/scheduler": {**CYCLE, "mode": "exp_range", "gamma": 1e40}}, "/scheduler/gamma", "power of the step"),
    (
        IRIS,
        {"/scheduler": {**CYCLE, "mode": "triangular2", "step_size_up": 1}, "/training/epochs": 2048},
        "/scheduler/step_size_up",
        "1024 cycles",
    ),
    (IRIS, {"/scheduler": {"type": "WarmupCosine", "warmup": 10}}, "/scheduler/warmup", "less than all 10"),
    (
        IRIS,
        {"/scheduler": {"type": "ReduceLROnPlateau", "monitor": "validation_f1"}},
        "/scheduler/monitor",
        "there will be: train_loss, train_accuracy, validation_loss, validation_accuracy",
    ),
    (IRIS, {"/scheduler": {"type": "ReduceLROnPlateau", "interval": "step"}}, "/scheduler/interval", "epoch"),
    (
        IRIS,
        {
            "/scheduler": {
                "type": "SequentialLR",
                "milestones": [3],
                "schedulers": [{"type": "LinearLR"}, {"type": "ReduceLROnPlateau"}],
            }
        },
        "/scheduler/schedulers/1/type",
        "cannot stand inside SequentialLR",
    ),
    (
        IRIS,
        {"/scheduler": {"type": "SequentialLR", "milestones": [], "schedulers": [{"type": "LinearLR"}] * 2}},
        "/scheduler/milestones",
        "1 milestones",
    ),
    (
        IRIS,
        {"/scheduler": {"type": "ChainedScheduler", "schedulers": [{"type": "StepLR", "step_size": 0}]}},
        "/scheduler/schedulers/0/step_size",
        "greater",
    ),
    (IRIS, {"/data/dataset": "irs"}, "/data/dataset", "no data set 'irs'"),
    (IRIS, {"/data/dataset": "mnist"}, "/data/dataset", "descent datasets install mnist"),
    (IRIS, {"/data/dataset": "diabetes"}, "/loss/type", "needs classes"),
    (IRIS, {"/data/split": {"train": 140, "validation": 20}}, "/data/split", "160 samples"),
    (IRIS, {"/data/split": {"train": 0.9, "validation": 0.2}}, "/data/split", "above 1"),
    (IRIS, {"/data/split": {"train": 0}}, "/data/split/train", "must not be empty"),
    (IRIS, {"/data/split": {"train": 2.5}}, "/data/split/train", "whole number"),
    (IRIS, {"/data/split": {"train": 120, "stratify": True}}, "/data/split/train", "fraction"),
    (IRIS, {"/data/preprocess": [{"type": "Resize", "size": 8}]}, "/data/preprocess/0", "images"),
    (IRIS, {"/data/preprocess": [{"type": "Resize", "size": [8]}]}, "/data/preprocess/0/size/1", "is required"),
    (
        IRIS,
        {"/data/preprocess": [{"type": "Normalize", "mean": [0, 1], "std": [1, 1]}]},
        "/data/preprocess/0/mean",
        "2 values for 4 features",
    ),
    (
        IRIS,
        {"/data/preprocess": [{"type": "Normalize", "mean": 0, "std": 0}]},
        "/data/preprocess/0/std",
        "greater than 0",
    ),
    (IRIS, {"/model": {"type": "Sequential", "layers": []}}, "/model/layers", "1 or more"),
    (IRIS, {"/model": {"type": "Sequential", "layers": [{"type": "Liner"}]}}, "/model/layers/0/type", "'Linear'"),
    (
        IRIS,
        {"/model": {"type": "Sequential", "layers": [{"type": "ReLU"}, {"type": "ReLU", "name": "0"}]}},
        "/model/layers/1/name",
        "",
    ),
    (
        IRIS,
        {"/model": {"type": "Sequential", "layers": [{"type": "Conv2d", "out_channels": 4, "kernel_size": [3, 3, 3]}]}},
        "/model/layers/0/kernel_size",
        "one number or 2",
    ),
    (
        IRIS,
        {"/model": {"type": "Sequential", "layers": [{"type": "Unflatten", "dim": 1, "unflattened_size": [-1, -1]}]}},
        "/model/layers/0/unflattened_size",
        "one may be -1",
    ),
    (IRIS, {"/model/activation": "Relu"}, "/model/activation", "did you mean 'ReLU'"),
    (IRIS, {"/loss": ...}, "/loss", "is required"),
    (IRIS, {"/loss/weight": [1, 2]}, "/loss/weight", "2 values for 3 classes"),
    (
        IRIS,
        {"/data/dataset": "breast_cancer", "/loss": {"type": "BCEWithLogitsLoss", "pos_weight": [1, 2]}},
        "/loss/pos_weight",
        "2 values for 1 output",
    ),
    (IRIS, {"/metrics": ["accuracy", {"type": "accuracy"}]}, "/metrics/1", "named twice"),
    (IRIS, {"/metrics": ["f1", {"type": "f1", "average": "macro"}, "f1"]}, "/metrics/2", "f1_macro is named twice"),
    (IRIS, {"/metrics": [{"type": "f1", "average": "binary"}]}, "/metrics/0/average", "for answers of yes and no"),
    (
        IRIS,
        {"/data/dataset": "breast_cancer", "/loss": {"type": "BCEWithLogitsLoss"}, "/metrics": ["perplexity"]},
        "/metrics/0",
        "perplexity is for classes, BCEWithLogitsLoss for answers of yes and no",
    ),
    (
        IRIS,
        {"/data/dataset": "breast_cancer", "/loss": {"type": "BCELoss"}},
        "/loss/type",
        "ends in Linear: BCEWithLogitsLoss takes logits",
    ),
    (IRIS, {"/metrics": ["r2"]}, "/metrics/0", "r2 is for numbers, CrossEntropyLoss for classes"),
    (IRIS, {"/metrics": ["acuracy"]}, "/metrics/0", "did you mean 'accuracy'"),
    (IRIS, {"/training/epochs": 1_000_001}, "/training/epochs", "1000000"),
    (IRIS, {"/training/epochs": ...}, "/training/epochs", "is required"),
    (IRIS, {"/training": ...}, "/training/epochs", "is required"),
    (IRIS, {"/training/batch_size": ...}, "/training/batch_size", "is required"),
    (IRIS, {"/training/batch_size": 200, "/training/drop_last": True}, "/training/drop_last", "no batch"),
    (IRIS, {"/training/clip": {"type": "norm"}}, "/training/clip/max_norm", "is required"),
    (IRIS, {"/training/early_stopping": {"patience": 3, "monitor": "x"}}, "/training/early_stopping/monitor", "'x'"),
    (IRIS, {"/checkpoint": {"keep_best": {"monitor": "test_loss"}}}, "/checkpoint/keep_best/monitor", "'test_loss'"),
    (IRIS, {"/metadata": {"a/b~c": 1}}, "/metadata/a~1b~0c", "text"),
    (IRIS, {"/metadata": {str(i): "" for i in range(17)}}, "/metadata", "16"),
    (IRIS, {"/metadata": {"k": "x" * 513}}, "/metadata/k", "512"),
    (IRIS, {"/metadata": {"k": "\0"}}, "/metadata/k", "U+0000"),
    (IRIS, {"/name": "\ud800"}, "/name", "surrogate"),
    (FUNCTION, {"/data": IRIS["data"]}, "/data", "is left out"),
    (FUNCTION, {"/model/expression": "x > 1", "/model/initial": {"x": 2.0}}, "/model/expression", "no gradient"),
    (FUNCTION, {"/model/expression": "where(x, 1, 2)", "/model/initial": {"x": 2.0}}, "/model/expression", "gradient"),
    (FUNCTION, {"/model/expression": "where(0, x, 2)", "/model/initial": {"x": 2.0}}, "/model/expression", "gradient"),
    (IRIS, {"/data/dataset": {"validation": "iris"}}, "/data/dataset/train", "is required"),
    (IRIS, {"/model/initialization": [{"params": ".*", "type": "uniform_", "a": 2}]}, "/model/initialization/0/b", ""),
    (
        IRIS,
        {"/model/initialization": [{"params": ".*", "type": "normal_", "std": -1}]},
        "/model/initialization/0/std",
        "",
    ),
    (
        IRIS,
        {
            "/model": {
                "type": "Sequential",
                "layers": [{"type": "Embedding", "sparse": True, "scale_grad_by_freq": True}],
            }
        },
        "/model/layers/0/scale_grad_by_freq",
        "sparse",
    ),
    (
        IRIS,
        {
            "/model": {
                "type": "Sequential",
                "layers": [
                    {
                        "type": "ConvTranspose2d",
                        "out_channels": 1,
                        "kernel_size": 3,
                        "stride": [1, 2],
                        "output_padding": 1,
                    }
                ],
            }
        },
        "/model/layers/0/output_padding",
        "smaller",
    ),
    (FUNCTION, {"/training/batch_size": 4}, "/training/batch_size", "is left out"),
    (FUNCTION, {"/metrics": ["accuracy"]}, "/metrics/0", "nothing to measure"),
    (FUNCTION, {"/model/expression": "4 * y"}, "/model/expression", "column 5: unknown name 'y'"),
    (FUNCTION, {"/model/initial": {"x": 1, "y": 1}}, "/model/initial/y", "does not occur"),
    (FUNCTION, {"/model/initial": {"exp": 1}}, "/model/initial/exp", "not a name"),
    (FUNCTION, {"/model/initial": {"x": 1e39}}, "/model/initial/x", "less than"),
    (FUNCTION, {"/model/expression": "x / 0"}, "/model/expression", "column 1: / has no value"),
    *(
        (IRIS, {"/optimizer": {"type": "UpdateRule", "lr": 0.1, **changes}}, f"/optimizer/{pointer}", words)
        for pointer, words, changes in (
            ("update/0", "column 17: / has no", {"update": ["param = grad * (1 / a)"], "hyperparameters": {"a": 0}}),
            (
                "update/1",
                "column 9: log has no",
                {"update": ["b = 2 * a", "param = log(b)"], "hyperparameters": {"a": 0}},
            ),
            ("update/0", "column 9: / has no", {"update": ["param = 1 / (step - 1)"]}),
            ("update/2", "column 9: / has no", {"update": ["b = grad", "b = 0", "param = 1 / b"]}),
            ("state/s", "less than", {"update": ["s = param", "param = s"], "state": {"s": 1e39}}),
        )
    ),
    (FUNCTION, {"/scheduler": {"type": "ReduceLROnPlateau", "monitor": "validation_loss"}}, "/scheduler/monitor", ""),
]


@pytest.mark.parametrize(
    ("document", "changes", "pointer", "words"), WRONG, ids=[f"{i}{c[2]}" for i, c in enumerate(WRONG)]
)
def test_what_is_wrong_is_refused_with_the_pointer_of_the_culprit(
    document: dict[str, Any], changes: dict[str, Any], pointer: str, words: str
) -> None:
    with pytest.raises(SpecError) as caught:
        resolve(validate(changed(document, changes)), builtin_facts)
    errors = {error["pointer"]: error["detail"] for error in caught.value.errors}
    assert pointer in errors, errors
    assert words in errors[pointer]


def test_an_infinite_tensor_may_stand_where_it_is_not_chosen() -> None:
    validate(changed(IRIS, {"/optimizer": GUARDED}))


def test_all_errors_of_a_document_come_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        validate(changed(IRIS, {"/optimizer/lr": -1, "/training/epochs": 0, "/data/dataset": 3}))
    assert {e["pointer"] for e in caught.value.errors} == {"/optimizer/lr", "/training/epochs", "/data/dataset"}


@pytest.mark.parametrize("document", [None, [], "spec", 3, True])
def test_a_spec_is_an_object(document: Any) -> None:
    with pytest.raises(SpecError, match="JSON object"):
        validate(document)


def test_hostile_size_and_depth_are_refused_quickly() -> None:
    deep: Any = {}
    for _ in range(10_000):
        deep = {"a": deep}
    with pytest.raises(SpecError, match="nested more than 32 deep"):
        validate({**IRIS, "model": deep})
    with pytest.raises(SpecError, match="at most 50000 values"):
        validate({**IRIS, "metadata": [0] * 100_000})
    rows = [[0.0]] * 20_000
    with pytest.raises(SpecError, match="at most 10000 numbers"):
        validate(changed(IRIS, {"/data/dataset": {"type": "inline", "inputs": rows, "targets": [0]}}))


def test_long_tables_of_formulas_cost_a_bounded_time() -> None:
    formula = "where(epoch < 10, epoch / 10, 0.5 * (1 + cos(pi * (epoch - 10) / 999990)))"
    groups = [{"params": f"{index}.*"} for index in range(50)]
    document = changed(
        IRIS,
        {
            "/optimizer/groups": groups,
            "/scheduler": {"type": "LambdaLR", "lr_lambda": [formula] * 50},
            "/training/epochs": 1_000_000,
        },
    )
    started = time.perf_counter()
    resolve(validate(document), builtin_facts)
    assert time.perf_counter() - started < 5
    last = changed(document, {"/scheduler/lr_lambda": "1 / (1000000 - epoch)"})
    with pytest.raises(SpecError, match="epoch = 1000000"):
        resolve(validate(last), builtin_facts)


def test_unset_choices_are_filled_in() -> None:
    resolved = resolve(validate(changed(IRIS, {"/optimizer": {"type": "Adam"}})), builtin_facts)
    assert resolved["optimizer"]["fused"] is True
    assert resolved["optimizer"]["foreach"] is False
    assert resolved["optimizer"]["betas"] == [0.9, 0.999]
    assert resolved["resources"]["device"] == "cpu"
    assert resolved["checkpoint"]["every_seconds"] == 15.0
    assert "phases" not in resolved
    on_cuda = resolve(validate(changed(IRIS, {"/optimizer": {"type": "Adam"}})), builtin_facts, cuda=True)
    assert on_cuda["resources"]["device"] == "cuda"


def test_scaled_sgd_is_not_fused() -> None:
    """torch would begin with a momentum that is whatever lay in memory."""
    scaled = changed(IRIS, {"/training/precision": "float16"})
    assert resolve(validate(scaled), builtin_facts)["optimizer"]["fused"] is False
    adam = changed(scaled, {"/optimizer": {"type": "Adam"}})
    assert resolve(validate(adam), builtin_facts)["optimizer"]["fused"] is True
    given = changed(scaled, {"/optimizer/fused": True})  # without a momentum there is no harm in it
    assert resolve(validate(given), builtin_facts)["optimizer"]["fused"] is True


def test_given_choices_are_obeyed() -> None:
    document = changed(IRIS, {"/optimizer": {"type": "Adam", "foreach": True}, "/checkpoint": {"every_steps": 5}})
    resolved = resolve(validate(document), builtin_facts)
    assert resolved["optimizer"]["foreach"] is True
    assert resolved["optimizer"]["fused"] is False
    assert resolved["checkpoint"]["every_seconds"] is None


def test_a_monitor_left_out_is_the_validation_loss_or_the_training_loss() -> None:
    plateau = {"/scheduler": {"type": "ReduceLROnPlateau"}, "/checkpoint": {"keep_best": {}}}
    resolved = resolve(validate(changed(IRIS, plateau)), builtin_facts)
    assert resolved["scheduler"]["monitor"] == resolved["checkpoint"]["keep_best"]["monitor"] == "validation_loss"
    assert resolve(validate(changed(FUNCTION, plateau)), builtin_facts)["scheduler"]["monitor"] == "train_loss"


@pytest.mark.parametrize(
    "first",
    [
        {"type": "ConstantLR", "factor": 0, "total_iters": 5},
        {"type": "LambdaLR", "lr_lambda": "1 / (5 - epoch)"},
        {"type": "OneCycleLR", "max_lr": 1, "total_steps": 4, "cycle_momentum": False},
    ],
)
def test_in_a_sequence_a_scheduler_is_stepped_to_its_milestone_only(first: dict[str, Any]) -> None:
    sequence = {"type": "SequentialLR", "milestones": [5], "schedulers": [first, {"type": "LinearLR"}]}
    resolve(validate(changed(IRIS, {"/scheduler": sequence})), facts_of)
    with pytest.raises(SpecError):
        resolve(validate(changed(IRIS, {"/scheduler": {**sequence, "milestones": [6]}})), facts_of)
