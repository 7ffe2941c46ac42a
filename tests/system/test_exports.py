"""Jobs out of the running service by the command line: each script and each bundle run alone, beside the API's rows."""

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, save

from tests.export import uploads
from tests.export.conftest import alone
from tests.export.jobs import BUCKETS, IRIS, LINE, PHASES, Document, changed
from tests.export.odd_jobs import ODD_JOBS
from tests.export.test_bundles import LOSS
from tests.export.test_scripts import digests
from tests.system.conftest import Service

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]

CLOCK = ("seq", "attempt", "duration_seconds", "samples_per_second", "finished_at")
LONG = changed(IRIS, training__epochs=3000, metrics=["accuracy", "auroc"], checkpoint={"every_epochs": 100})


def descent(service: Service, *arguments: str) -> Any:
    """A command as a user types it; what it says as JSON."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DESCENT_")}
    command = [sys.executable, "-m", "descent", *arguments, "--json", "--state", str(service.state)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def upload(service: Service, route: str, contents: dict[str, bytes], **fields: str) -> str:
    parts = {role: (role, content) for role, content in contents.items()}
    answer = service.http.post(f"/v1/{route}", data=fields, files=parts)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def check(service: Service, job_id: str, folder: Path) -> None:
    """The exported script prints the API's rows, epochs and steps, and the test part, and ends with its weights."""
    job = service.ended(job_id, 180)
    assert job["status"] == "succeeded", job["error"]
    folder.mkdir()
    told = descent(service, "export", job_id, "-o", str(folder / "train.py"))
    assert told["path"] == str(folder / "train.py")
    script = (folder / "train.py").read_text()
    everything = ["--all"] if '"--all"' in script else []
    printed: dict[str, list[Any]] = {"epoch": [], "step": [], "test": []}
    for line in alone(folder, "train.py", "--save", "last.pt", *everything).splitlines():
        row = json.loads(line)
        printed[row.pop("type", "epoch")].append(row)
    assert printed["epoch"] == plain(service.epochs(job_id))
    steps = service.http.get(f"/v1/jobs/{job_id}/steps", params={"limit": 10_000}).raise_for_status().json()["data"]
    assert printed["step"] == plain(steps)
    test = [{key: job["test"][key] for key in ("loss", "metrics")}] if job["test"] else []
    assert printed["test"] == test
    assert digests(torch.load(folder / "last.pt", weights_only=True)) == digests(load(service.weights(job_id)))


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key not in CLOCK} for row in rows]


SENT = {
    "phases": changed(IRIS, optimizer=None, training={"batch_size": 16}, phases=PHASES),
    **{name: ODD_JOBS[name] for name in ("classes-all-metrics", "rollback-logged-keep-best", "goes-on-with-nan")},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SENT)
def test_a_job_as_it_was_sent(service: Service, name: str, tmp_path: Path) -> None:
    check(service, service.submit(SENT[name])["id"], tmp_path / "alone")


@pytest.mark.slow
def test_uploaded_texts_with_word_vectors(service: Service, tmp_path: Path) -> None:
    vectors = "".join(f"{word} {i / 7} {i / 3} {i}\n" for i, word in enumerate(uploads.WORDS[:4]))
    reviews = upload(service, "datasets", {"file": uploads.texts().encode()}, name="reviews", format="jsonl")
    words = upload(service, "datasets", {"file": vectors.encode()}, name="words", format="vectors")
    model = {key: value for key, value in BUCKETS.items() if key != "embedding_dim"} | {
        "vectors": words,
        "bucket": True,
    }
    spec = uploads.document(model, uploads.ADAM, preprocess=uploads.TOKENIZE, dataset=reviews)
    check(service, service.submit(spec)["id"], tmp_path / "alone")
    assert sorted(path.name for path in (tmp_path / "alone").glob("*.safetensors")) == [
        "data.safetensors", "vectors.safetensors",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_run_that_was_paused_taken_up_and_given_other_epochs_then_forked(service: Service, tmp_path: Path) -> None:
    job_id = service.submit(LONG)["id"]
    until(lambda: len(service.epochs(job_id)) > 3)
    service.http.post(f"/v1/jobs/{job_id}/pause").raise_for_status()
    until(lambda: service.job(job_id)["status"] == "paused")
    done = service.job(job_id)["progress"]["epoch"]
    service.http.patch(f"/v1/jobs/{job_id}", json={"epochs": done + 5}).raise_for_status()
    service.http.post(f"/v1/jobs/{job_id}/resume").raise_for_status()
    check(service, job_id, tmp_path / "alone")
    service.http.patch(f"/v1/jobs/{job_id}", json={"epochs": done + 9}).raise_for_status()
    check(service, job_id, tmp_path / "longer")
    patch = {"training": {"epochs": 4, "log_every_steps": 3}, "optimizer": {"lr": 0.001}}
    fork = service.http.post(f"/v1/jobs/{job_id}/fork", json={"spec": patch}).raise_for_status().json()["id"]
    check(service, fork, tmp_path / "fork")
    service.http.delete(f"/v1/jobs/{job_id}").raise_for_status()
    check(service, fork, tmp_path / "orphan")


@pytest.mark.slow
def test_initial_weights_of_a_job_and_of_an_upload(service: Service, tmp_path: Path) -> None:
    source = service.submit(changed(IRIS, training__epochs=2))["id"]
    service.ended(source)
    weights = {f"body.{name}": tensor for name, tensor in load(service.weights(source)).items()}
    uploaded = upload(service, "weights", {"file": save(weights)})
    for name, named in {
        "job": {"job": source, "checkpoint": "best"},
        "upload": {"upload": uploaded, "params": "1\\..*", "rename": [["body\\.(.*)", "\\1"]]},
    }.items():
        spec = changed(IRIS, seed=3, model={**IRIS["model"], "initial_weights": named})
        check(service, service.submit(spec)["id"], tmp_path / name)
        assert (tmp_path / name / "initial.safetensors").exists()


@pytest.mark.slow
def test_a_bundle_gives_the_validation_loss(service: Service, tmp_path: Path) -> None:
    spec = changed(LINE, metrics=["r2"], checkpoint={"keep_best": {"monitor": "validation_r2", "mode": "max"}})
    job = service.ended(service.submit(spec)["id"])
    told = descent(service, "bundle", job["id"], "--checkpoint", "best", "-o", str(tmp_path / "model.zip"))
    assert told["bytes"] == (tmp_path / "model.zip").stat().st_size
    zipfile.ZipFile(tmp_path / "model.zip").extractall(tmp_path / "model")
    places = torch.randperm(20, generator=torch.Generator().manual_seed(0))[16:].tolist()
    dataset = spec["data"]["dataset"]
    raw: Document = {key: [dataset[key][place] for place in places] for key in ("inputs", "targets")}
    raw |= {"dtype": "float64", "weights": None, "loss": spec["loss"], "batch": spec["training"]["batch_size"]}
    (tmp_path / "model" / "raw.json").write_text(json.dumps(raw))
    (tmp_path / "model" / "loss.py").write_text(LOSS)
    found, _ = json.loads(alone(tmp_path / "model", "loss.py"))
    assert found == service.epochs(job["id"])[job["best"]["epoch"] - 1]["validation_loss"]


def test_what_cannot_be_exported_says_why(service: Service, tmp_path: Path) -> None:
    content = {"file": uploads.table().encode()}
    dataset = upload(service, "datasets", content, name="gone", format="csv", target="label")
    spec = changed(uploads.UPLOADS["table"][3], data__dataset=dataset)
    job_id = service.submit(spec)["id"]
    service.ended(job_id)
    service.http.delete(f"/v1/datasets/{dataset}").raise_for_status()
    refused = service.http.get(f"/v1/jobs/{job_id}/export")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_exportable")
    assert dataset in refused.json()["detail"], refused.json()
    descent(service, "bundle", job_id, "-o", str(tmp_path / "model.zip"))  # what it takes was kept


def until(condition: Any) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_cancelled_job_as_far_as_it_came(service: Service, tmp_path: Path) -> None:
    job_id = service.submit(changed(LONG, scheduler={"type": "WarmupCosine", "warmup": 5}))["id"]
    while service.job(job_id)["progress"]["epoch"] < 3:
        time.sleep(0.05)
    descent(service, "cancel", job_id)
    assert service.ended(job_id)["status"] == "cancelled"
    rows = plain(service.epochs(job_id))
    assert 3 <= len(rows) < 3000
    descent(service, "export", job_id, "-o", str(tmp_path / "train.py"))
    printed = [json.loads(line) for line in alone(tmp_path, "train.py").splitlines()]
    assert printed == rows
