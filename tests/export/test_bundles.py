"""A bundle's model.py, run alone, gives the job's validation loss from samples as the data set had them."""

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from app.datasets.stored import Known
from app.jobs.spec import validate
from tests.export.conftest import Ran, alone, run
from tests.export.jobs import GRAPH, IMAGES, IRIS, JOBS, LINE, changed, example
from tests.export.odd_jobs import ODD_JOBS
from tests.export.uploads import UPLOADS, known_of, table
from worker.datasets.sources import inline_source
from worker.datasets.split import split_indices
from worker.datasets.uploaded import sources_of
from worker.export.bundle import model_script
from worker.export.prepared import NAME, keep
from worker.training.data.synthetic import synthesize

TAGGER = {"type": "Sequential", "layers": [{"type": "Embedding", "embedding_dim": 4}, {"type": "Linear"}]}
DEPTH = {"type": "ResNet", "depth": 18, "width": 4}
BUNDLES = {
    "iris": IRIS,
    "convolutions": example("digits-cnn-augmented"),
    "binary": JOBS["binary"],
    "regression": JOBS["regression"],
    "inline": LINE,
    "graph": changed(IMAGES, model=GRAPH),
    "resnet": changed(IMAGES, model=DEPTH),
    "recurrent": JOBS["rnn"],
    "gpt": JOBS["gpt"],
    "tokens": changed(JOBS["gpt"], model=TAGGER),
    "several-answers": ODD_JOBS["several-answers"],
    "phases": JOBS["phases"],
    **{
        name: UPLOADS[name][3]
        for name in (
            "lstm",
            "transformer",
            "sparse-sgd",
            "table",
            "pixels",
            "idx",
            "deep",
            "kinds",
            "dates",
            "images",
            "parquet",
        )
    },
}
QUICK = ("iris", "binary", "gpt", "lstm", "table", "dates", "images", "tokens", "several-answers")
NAMED = {"iris": ("setosa", "versicolor", "virginica"), "images": ("cat", "dog")}
LOSS = """
import json, torch
from pathlib import Path
from torch import nn
from model import load, predict, preprocess
raw = json.loads(Path("raw.json").read_text())
inputs = raw["inputs"] if raw["dtype"] is None else torch.tensor(raw["inputs"], dtype=getattr(torch, raw["dtype"]))
targets, size, weights = torch.tensor(raw["targets"]), raw["batch"], raw["weights"] and torch.tensor(raw["weights"])
arguments = {k: torch.tensor(v) if isinstance(v, list) else v for k, v in raw["loss"].items() if k != "type"}
arguments["reduction"] = "mean" if weights is None else "none"
loss = getattr(nn, raw["loss"]["type"])(**arguments)
model, total = load(), 0.0
with torch.no_grad():
    for start in range(0, len(inputs), size):
        x, y = inputs[start : start + size], targets[start : start + size]
        outputs = model(preprocess(x))
        y = y if targets.dtype == torch.long else y.view_as(outputs)
        outputs = outputs.flatten(0, 1) if outputs.ndim == 3 else outputs
        found = loss(outputs, y.flatten() if y.dtype == torch.long else y)
        if weights is not None:
            w = weights[start : start + size]
            found = (found.reshape(len(w), -1).mean(1) * w).sum() / w.sum()
        total += found.item() * len(x)
said = predict(model, inputs[:3])
assert len(said) == 3
assert targets[0].numel() == 1 or said.shape == targets[:3].shape
print(json.dumps([total / len(inputs), predict(model, inputs[:1])], default=lambda found: found.tolist()))
"""


def raw_validation(ran: Ran, known: Known, folder: Path) -> dict[str, Any]:
    """The validation part before any preprocessing."""
    spec = validate(ran.resolved)
    assert spec.data is not None
    prepared = ran.prepared or {}
    if "synthetic" in prepared:
        made = synthesize(prepared["synthetic"])
        inputs: Any = made["validation.inputs"]
        return {"inputs": inputs.tolist(), "dtype": dtype(inputs), "targets": made["validation.targets"].tolist()}
    dataset: Any = spec.data.dataset
    columns = spec.data.columns.model_dump(exclude_none=True) if spec.data.columns is not None else None
    target = spec.loss.target if spec.loss is not None else "number"
    named = isinstance(dataset, str)
    source = sources_of(known, folder)(dataset, columns, target)["train"] if named else inline_source(dataset)
    index = split_indices(len(source.targets), spec.data.split, source.targets.long())["validation"]
    file = load_file(prepared["file"])
    found = {"targets": file["validation.targets"].tolist(), "dtype": None}
    if "validation.weights" in file:
        found["weights"] = file["validation.weights"].tolist()
    if not isinstance(source.inputs, torch.Tensor):
        texts = [source.inputs[place] for place in index.tolist()]
        is_category = spec.data.preprocess[0].type == "OneHot"
        return found | {"inputs": [{"kind": text} for text in texts] if is_category else texts}
    if columns is not None:
        rows = [{k: v or None for k, v in row.items()} for row in csv.DictReader(io.StringIO(table()))]
        return found | {"inputs": [rows[place] for place in index.tolist()]}
    return found | {"inputs": source.inputs[index].tolist(), "dtype": dtype(source.inputs)}


def dtype(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in BUNDLES])
def test_a_bundle_gives_the_validation_loss(name: str, tmp_path: Path) -> None:
    known = known_of(name, tmp_path) if name in UPLOADS else Known()
    ran = run(BUNDLES[name], tmp_path, known)
    keep(tmp_path / "job", ran.resolved, ran.config, known)
    raw = {"weights": None} | raw_validation(ran, known, tmp_path)
    if ran.prepared and "file" in ran.prepared:
        Path(ran.prepared["file"]).unlink()  # what is kept does without
    kept = json.loads((tmp_path / "job" / NAME).read_text())
    folder = tmp_path / "alone"
    folder.mkdir()
    (folder / "model.py").write_text(model_script(kept, name))
    texts = {"fitted": {k: kept[k] for k in ("steps", "columns", "categories", "levels")}, "classes": kept["classes"]}
    for file, value in {**texts, "vocabulary": kept["vocabulary"]}.items():
        (folder / f"{file}.json").write_text(json.dumps(value))
    save_file(ran.weights, folder / "weights.safetensors")
    raw |= {"loss": {k: v for k, v in ran.config["loss"].items() if v is not None}}
    (folder / "raw.json").write_text(json.dumps({**raw, "batch": ran.config["training"]["batch_size"]}))
    (folder / "loss.py").write_text(LOSS)
    found, predicted = json.loads(alone(folder, "loss.py"))
    assert found == ran.rows[-1]["validation_loss"]
    if name in NAMED:
        assert predicted[0] in NAMED[name]
    shutil.rmtree(folder)
