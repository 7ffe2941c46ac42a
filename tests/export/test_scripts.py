"""An exported script, run alone in an empty folder, prints the engine's rows bit for bit."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from app.jobs.spec import SpecError
from tests.export.conftest import Ran, alone, run
from tests.export.jobs import EXAMPLE_JOBS as EXAMPLES
from tests.export.jobs import IRIS, JOBS, changed
from worker.export.script import training_script


def printed(ran: Ran, folder: Path, *options: str) -> list[str]:
    exported = training_script(ran.resolution, ran.prepared, 'a "job"\n')
    folder.mkdir()
    (folder / "train.py").write_text(exported.script)
    for name, path in exported.files.items():
        shutil.copy(path, folder / name)
    return alone(folder, "train.py", *options).splitlines()


def same(ran: Ran, lines: list[str], left_out: tuple[str, ...] = ()) -> None:
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    expected = [
        {**row, "metrics": {k: v for k, v in row["metrics"].items() if not k.endswith(left_out or ("\0",))}}
        for row in ran.rows
    ]
    assert json.dumps(rows, sort_keys=True) == json.dumps(expected, sort_keys=True)  # NaN is NaN here


SLOW = [name for name in JOBS if name in EXAMPLES[4:] or name in ("cyclic", "chained", "regression", "bfloat16")]


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in JOBS])
def test_the_script_prints_the_rows(name: str, tmp_path: Path) -> None:
    ran = run(JOBS[name], tmp_path)
    assert ran.rows
    same(ran, printed(ran, tmp_path / "alone"))


def test_metrics_that_are_not_computed_are_named(tmp_path: Path) -> None:
    ran = run(changed(IRIS, metrics=["accuracy", "f1"]), tmp_path)
    script = training_script(ran.resolution, ran.prepared).script
    assert "Left out of the rows: f1." in script
    same(ran, printed(ran, tmp_path / "alone"), ("_f1",))


def test_a_run_that_hangs_on_such_a_metric_is_refused(tmp_path: Path) -> None:
    stopping = {"monitor": "validation_f1", "mode": "max", "patience": 2}
    ran = run(changed(IRIS, metrics=["f1"], training__early_stopping=stopping), tmp_path)
    with pytest.raises(SpecError) as refused:
        training_script(ran.resolution, ran.prepared)
    assert refused.value.errors[0]["pointer"] == "/metrics"


def test_csv(tmp_path: Path) -> None:
    ran = run(IRIS, tmp_path)
    head, *lines = printed(ran, tmp_path / "alone", "--csv")
    assert head.split(",")[:4] == ["epoch", "phase", "step", "train_loss"]
    assert [float(line.split(",")[3]) for line in lines] == [row["train_loss"] for row in ran.rows]


HOSTILE = ('"""\nimport os; os.system("x")\n"""', "\\", "a\x00b", "name # \u2028 x", "'; import os #")


@pytest.mark.parametrize("title", HOSTILE)
def test_a_name_is_only_ever_text(title: str, tmp_path: Path) -> None:
    ran = run(changed(IRIS, training__epochs=1), tmp_path)
    script = training_script(ran.resolution, ran.prepared, title).script
    assert "\nimport os" not in script
    compile(script, "train.py", "exec")
