"""A bundle's model.py, run alone, gives the job's validation loss from samples as the data set had them."""

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
from worker.datasets.sources import builtin_source, inline_source
from worker.datasets.split import split_indices
from worker.export.bundle import model_script
from worker.export.prepared import NAME, keep

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
    "phases": JOBS["phases"],
}
LOSS = """
import json, sys, torch
from pathlib import Path
from torch import nn
from model import load, predict, preprocess
raw = json.loads(Path("raw.json").read_text())
inputs = torch.tensor(raw["inputs"], dtype=getattr(torch, raw["dtype"]))
targets = torch.tensor(raw["targets"])
arguments = {k: torch.tensor(v) if isinstance(v, list) else v for k, v in raw["loss"].items() if k != "type"}
loss, total = getattr(nn, raw["loss"]["type"])(**arguments), 0.0
model = load()
with torch.no_grad():
    for x, y in zip(inputs.split(raw["batch"]), targets.split(raw["batch"])):
        outputs = model(preprocess(x))
        y = y if targets.dtype == torch.long else y.view_as(outputs)
        outputs = outputs.flatten(0, 1) if outputs.ndim == 3 else outputs
        total += loss(outputs, y.flatten() if y.dtype == torch.long else y).item() * len(x)
assert len(predict(model, inputs[:3])) == 3
print(json.dumps([total / len(inputs), predict(model, inputs[:1])], default=str))
"""


def raw_validation(ran: Ran) -> tuple[torch.Tensor, torch.Tensor]:
    """The validation part before any preprocessing."""
    spec = validate(ran.resolved)
    assert spec.data is not None
    if "synthetic" in (ran.prepared or {}):
        from worker.training.data.synthetic import synthesize

        made = synthesize((ran.prepared or {})["synthetic"])
        return made["validation.inputs"], made["validation.targets"]
    dataset: Any = spec.data.dataset
    source = builtin_source(dataset)["train"] if isinstance(dataset, str) else inline_source(dataset)
    index = split_indices(len(source.targets), spec.data.split, source.targets.long())["validation"]
    assert isinstance(source.inputs, torch.Tensor)
    return source.inputs[index], load_file((ran.prepared or {})["file"])["validation.targets"]


@pytest.mark.parametrize("name", BUNDLES)
def test_a_bundle_gives_the_validation_loss(name: str, tmp_path: Path) -> None:
    ran = run(BUNDLES[name], tmp_path)
    keep(tmp_path / "job", ran.resolved, ran.config, Known())
    if ran.prepared and "file" in ran.prepared:
        targets = raw_validation(ran)
        Path(ran.prepared["file"]).unlink()  # what is kept does without
    else:
        targets = raw_validation(ran)
    kept = json.loads((tmp_path / "job" / NAME).read_text())
    folder = tmp_path / "alone"
    folder.mkdir()
    (folder / "model.py").write_text(model_script(kept, name))
    (folder / "fitted.json").write_text(json.dumps({k: kept[k] for k in ("steps", "columns", "categories")}))
    (folder / "classes.json").write_text(json.dumps(kept["classes"]))
    weights = {k.removeprefix("model."): t for k, t in load_file(ran.checkpoint).items() if k.startswith("model.")}
    save_file(weights, folder / "weights.safetensors")
    inputs, wanted = targets
    loss = {k: v for k, v in ran.config["loss"].items() if v is not None}
    raw = {"inputs": inputs.tolist(), "dtype": str(inputs.dtype).removeprefix("torch."), "targets": wanted.tolist()}
    (folder / "raw.json").write_text(json.dumps({**raw, "loss": loss, "batch": ran.config["training"]["batch_size"]}))
    (folder / "loss.py").write_text(LOSS)
    found, predicted = json.loads(alone(folder, "loss.py"))
    assert found == ran.rows[-1]["validation_loss"]
    if name == "iris":
        assert predicted[0] in ("setosa", "versicolor", "virginica")
    shutil.rmtree(folder)
