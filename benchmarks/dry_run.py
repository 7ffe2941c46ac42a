"""A dry run takes under 100 ms warm, and the same question again under 1 ms: `python benchmarks/dry_run.py`.

First the worker's part (build on the meta device, match names, count FLOPs) and the API's (validate, resolve), for
each of the examples and each ready-made model in a large size; then what a question costs that was asked before,
whatever its seed and name.
"""

import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from app.datasets.facts import Facts
from app.jobs.spec import builtin_facts, resolve, validate
from app.jobs.submission import deciding
from app.previews import service
from worker.previews import warm_up
from worker.resolve import dry_run

EXAMPLES = Path(__file__).parents[1] / "examples"
REPEATS = 7


TEXT = {"type": "synthetic", "task": "tokens", "samples": 1000, "shape": [256], "classes": 30_000}
REVIEWS = Facts(25_000, (), "text", 2, reference="ds_reviews")
PHOTOS = {"type": "synthetic", "task": "classification", "samples": 1000, "shape": [3, 224, 224], "classes": 1000}


def ready_made() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every ready-made model as large as people train it."""
    models: list[tuple[dict[str, Any], Any]] = [
        *(({"type": "ResNet", "depth": depth, "stem": "imagenet"}, PHOTOS) for depth in (18, 34, 50)),
        ({"type": "MLP", "hidden": [4096] * 8, "norm": "BatchNorm1d", "dropout": 0.1}, PHOTOS),
        ({"type": "CNN", "channels": [64, 128, 256, 512, 512], "norm": "BatchNorm2d", "hidden": [4096, 4096]}, PHOTOS),
        ({"type": "GPT", "n_layer": 12, "n_head": 12, "n_embd": 768, "dropout": 0.1}, TEXT),
        ({"type": "LSTMClassifier", "num_layers": 4, "hidden_size": 1024, "bidirectional": True}, "ds_reviews"),
        (
            {"type": "TransformerClassifier", "d_model": 768, "nhead": 12, "num_layers": 12, "dim_feedforward": 3072},
            "ds_reviews",
        ),
    ]
    for model, dataset in models:
        size = model.get("depth") or model.get("n_layer") or model.get("num_layers") or ""
        tokenize = [{"type": "Tokenize", "max_length": 256}] if dataset == "ds_reviews" else []
        yield (
            f"{model['type']} {size}".strip(),
            {
                "data": {"dataset": dataset, "preprocess": tokenize, "split": {"train": 0.9, "validation": 0.1}},
                "model": model,
                "loss": {"type": "CrossEntropyLoss"},
                "optimizer": {"type": "AdamW", "groups": [{"params": ".*bias", "weight_decay": 0.0}]},
                "training": {"epochs": 10, "batch_size": 64},
                "metrics": ["accuracy"],
            },
        )


def facts_of(reference: str, columns: Mapping[str, Any] | None = None, /) -> Facts:
    return REVIEWS if reference == "ds_reviews" else builtin_facts(reference, columns)


def examples() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(EXAMPLES.glob("*.json")):
        document = json.loads(path.read_text())
        if "over" not in document and "ds_REPLACE" not in path.read_text():
            yield path.stem, document


def milliseconds(act: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    """The median of a few runs, the first one not counted."""
    act()
    taken = []
    for _ in range(REPEATS):
        started = clock()
        act()
        taken.append(1000 * (clock() - started))
    return statistics.median(taken)


def worked_out(question: dict[str, Any]) -> dict[str, Any]:
    """What the previews worker does."""
    return dry_run(question["resolved_spec"], facts_of)


def main() -> None:
    warm_up()
    asked: list[str] = []
    service.send = lambda kind, payload, seconds: asked.append(kind) or {"result": worked_out(payload)}  # type: ignore[func-returns-value]
    rows = []
    for name, document in [*ready_made(), *examples()]:
        resolved = resolve(validate(document), facts_of)
        question = {"resolved_spec": deciding(resolved), "datasets": {}}
        checked = milliseconds(lambda document=document: resolve(validate(document), facts_of))
        worked = milliseconds(lambda question=question: worked_out(question))
        busy = milliseconds(lambda question=question: worked_out(question), time.process_time)
        service.ask("dry_run", question)
        count = len(asked)
        again = milliseconds(
            lambda resolved=resolved: service.ask(
                "dry_run", {"resolved_spec": deciding({**resolved, "seed": 7, "name": "x"}), "datasets": {}}
            )
        )
        assert len(asked) == count, "a repeat was asked of the worker"
        rows.append((name, checked, worked, busy, again))
    print(f"{'example':34} {'check':>9} {'dry run':>9} {'its CPU':>9} {'again':>9}   ms")
    for name, checked, worked, busy, again in sorted(rows, key=lambda row: -row[3]):
        print(f"{name:34} {checked:9.2f} {worked:9.2f} {busy:9.2f} {again:9.3f}")
    slowest = max(row[3] for row in rows)  # by the CPU's time: the machine may have other work
    again = max(row[4] for row in rows)
    print(f"slowest dry run {slowest:.0f} ms of CPU (promised: 100), slowest repeat {again:.3f} ms (promised: 1)")
    assert slowest < 100
    assert again < 1


if __name__ == "__main__":
    main()
