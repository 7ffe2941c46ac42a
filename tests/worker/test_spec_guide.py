"""docs/spec.md is true: every example is validated, resolved, prepared, translated and trained."""

import json
import random
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file
from torch import nn

from app.datasets.stored import Known
from app.jobs.spec import resolve, validate
from app.jobs.submission import deciding
from app.sweeps.points import expand
from app.sweeps.schemas import NewSweep
from app.sweeps.submission import read_search
from tests.worker.datasets.test_uploaded import stored
from worker import training
from worker.data import prepare
from worker.datasets.uploaded import sources_of
from worker.resolve import dry_run
from worker.training.requests import Requests
from worker.translate import translate
from worker.weights import StoredWeights, WeightsOf

GUIDE = (Path(__file__).parents[2] / "docs" / "spec.md").read_text()
BLOCKS = [json.loads(text) for text in re.findall(r"^```json\n(.*?)^```", GUIDE, re.M | re.S)]
BASE, *CHANGES = [block for block in BLOCKS if "over" not in block]
SWEEPS = [block for block in BLOCKS if "over" in block]
EXAMPLES = [BASE, *({**BASE, **change} for change in CHANGES)]
SOME = sorted(random.Random(0).sample(range(len(EXAMPLES)), -(-len(EXAMPLES) // 10)))


def line(number: int) -> str:
    draw = random.Random(number)
    colour, species = draw.choice(["red", "blue"]), draw.choice(["lily", "rose"])
    width = "" if number % 7 == 0 else f"{draw.random():.3f}"
    return f"{draw.random():.3f},{width},{colour},{draw.randint(1, 3)},{species}"


def uploads(store: Path) -> Known:
    """What the examples call `flowers` and `reviews`."""
    table = "\n".join(["length,width,colour,trust,species", *(line(number) for number in range(60))])
    words = ["a", "fine", "dull", "film", "with", "some", "warm", "and", "cold", "scenes"]
    draw = random.Random(0)
    texts = [{"text": " ".join(draw.choices(words, k=draw.randint(1, 20))), "label": n % 2} for n in range(40)]
    flowers = stored(store, "csv", "species", file=table)
    reviews = stored(store, "jsonl", None, file="\n".join(json.dumps(text) for text in texts))
    names = {"flowers@latest": flowers, "flowers@1": flowers, "ds_x": flowers, "reviews@latest": reviews}
    return Known({name: {"train": one.__class__(**{**vars(one), "reference": name})} for name, one in names.items()})


@cache
def torch_file(folder: Path, prefix: str) -> str:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    path = str(folder / f"weights-{prefix or 'plain'}.safetensors")
    save_file({prefix + name: tensor for name, tensor in model.state_dict().items()}, path)
    return path


def weights_in(folder: Path) -> WeightsOf:
    """A checkpoint of the first example, and an upload with names of its own."""
    return lambda named: StoredWeights.read(
        torch_file(folder, "model." if named.job else "body."), "model." if named.job else ""
    )


def run(document: dict[str, Any], folder: Path) -> list[dict[str, Any]]:
    known, weights_of = uploads(folder), weights_in(folder)
    resolved = resolve(validate(document), known.facts_of)
    assert resolve(validate(resolved), known.facts_of) == resolved
    assert dry_run(deciding(resolved), known.facts_of, weights_of=weights_of)["model"]["parameters"] > 0
    data = prepare(validate(resolved), folder, facts_of=known.facts_of, source_of=sources_of(known, folder))
    at = {"directory": str(folder / "run"), "job": "job_x", "attempt": 1, "resume": None, "spec_sha256": "x"}
    config = translate(resolved, data=data, run=at, facts_of=known.facts_of, weights_of=weights_of)
    reports: list[dict[str, Any]] = []
    training.run(config, reports.append, Requests())
    assert reports[-1]["outcome"] == "succeeded", reports[-1]
    return [report for report in reports if report["type"] == "epoch"]


@pytest.mark.parametrize("number", SOME)
def test_a_tenth_of_the_examples_trains(number: int, tmp_path: Path) -> None:
    assert run(EXAMPLES[number], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", sorted(set(range(len(EXAMPLES))) - set(SOME)))
def test_every_example_trains(number: int, tmp_path: Path) -> None:
    assert run(EXAMPLES[number], tmp_path)


def test_the_rows_are_those_of_plain_torch(tmp_path: Path) -> None:
    code = re.search(r"^```python\n(.*?)^```", GUIDE, re.M | re.S)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)
    assert [row["train_loss"] for row in run(BASE, tmp_path)] == names["losses"]


def test_the_race_is_a_sweep_of_good_specs() -> None:
    for sweep in SWEEPS:
        body = NewSweep.model_validate(sweep)
        points = expand(body.over, body.zip, read_search(body.search))
        assert len(points) == 6
        for point in points:
            assert validate(sweep["spec"] | {key.removeprefix("/"): value for key, value in point.items()})
