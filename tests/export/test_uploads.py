"""Jobs on uploaded data: their tensors lie in data.safetensors beside the script."""

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from tests.export.conftest import alone, run
from tests.export.test_scripts import check
from tests.export.uploads import UPLOADS, known_of
from worker.export.bundle import model_script
from worker.export.prepared import prepared_of

QUICK = ("lstm-half", "sparse-adam", "table", "idx", "together-sparse")


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in UPLOADS])
def test_the_script_prints_the_rows(name: str, tmp_path: Path) -> None:
    ran = run(UPLOADS[name][3], tmp_path, known_of(name, tmp_path))
    assert (ran.end["test"] is not None) == (name == "installed")
    check(ran, tmp_path / "alone")


SAY = """
import json
from model import load, predict, preprocess
found = [preprocess(raw).tolist(), predict(load(), raw)]
print(json.dumps(found, default=lambda value: value.tolist()))
"""


@pytest.mark.parametrize(
    ("name", "raw"),
    [("lstm", ["good film", "", "unheard of"]), ("table", [{"colour": "red", "size": None}, ["blue", 2.0]])],
)
def test_a_bundle_takes_what_the_data_set_had(name: str, raw: list[Any], tmp_path: Path) -> None:
    known = known_of(name, tmp_path)
    ran = run(UPLOADS[name][3], tmp_path, known)
    kept = prepared_of(ran.resolved, ran.config, known)
    (tmp_path / "alone").mkdir()
    files = {"fitted": {k: kept[k] for k in ("steps", "columns", "categories", "levels")}, "classes": kept["classes"]}
    for file, value in {**files, "vocabulary": kept["vocabulary"]}.items():
        (tmp_path / "alone" / f"{file}.json").write_text(json.dumps(value))
    (tmp_path / "alone" / "model.py").write_text(model_script(kept, name))
    save_file(ran.weights, tmp_path / "alone" / "weights.safetensors")
    (tmp_path / "alone" / "say.py").write_text(f"raw = {raw!r}\n{SAY}\n")
    inputs, predicted = json.loads(alone(tmp_path / "alone", "say.py"))
    assert len(inputs) == len(predicted) == len(raw)
    if name == "lstm":
        places = {token: place for place, token in enumerate(kept["vocabulary"])}
        assert inputs[0] == [places.get("good", 1), places.get("film", 1), 0, 0, 0, 0, 0]
        assert (inputs[1][:2], inputs[2][:3]) == ([1, 0], [1, 1, 0])
