"""What a job becomes outside: its run as a script, a checkpoint as a bundle, an optimizer as data."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app import storage
from app.archives import Entry, file_pieces, zipped
from app.checkpoints.service import one
from app.database import ProjectSession
from app.datasets.references import Catalog
from app.errors import Conflict, Unavailable
from app.export import readme
from app.jobs.leases.epochs import in_force
from app.jobs.repository import Row, latest_epochs, live_workers, times_rolled_back
from app.jobs.service import find
from app.jobs.workers import answer_previews
from app.previews import service as previews
from app.records import service as records
from app.rendering import number
from app.settings import get_settings
from app.weights import references as weights
from app.weights.repository import get_weights

SECONDS = 20.0
"""How long an answer may take: text is read and tensors are prepared again where they are not there any more."""
ALL_ROWS = 10_000_000


@dataclass(frozen=True)
class Script:
    """train.py and what has to lie beside it."""

    text: str
    files: dict[str, Path]

    def archive(self) -> Iterator[bytes]:
        entries: list[Entry] = [("train.py", [self.text.encode()])]
        entries += [(name, file_pieces(path)) for name, path in self.files.items()]
        return zipped(entries)


def script(session: ProjectSession, job_id: str) -> Script:
    """Raises Conflict for what no script can do, or for want of a file."""
    job = find(session, job_id)
    ended = {
        "last_step": last_step(job),
        "last_epoch": last_epoch(session, job),
        "rollbacks": times_rolled_back(session, job["id"]),
    }
    question = asked(session, job) | {"origin": origin(session, job), **ended}
    session.rollback()  # no connection is held while the worker thinks
    found = answered("export", question)
    root = get_settings().store_path.resolve()
    files = {name: root / relative for name, relative in found["files"].items()}
    if any(not path.resolve().is_relative_to(root) or not path.is_file() for path in files.values()):
        raise Conflict("The data the job was trained on is gone.", code="data_lost")
    return Script(found["script"], files)


def origin(session: ProjectSession, job: Row) -> str | None:
    """The SHA-256 of the checkpoint that a fork started from, held for it among the blobs."""
    if job["parent_checkpoint_id"] is None:
        return None
    held = get_weights(session, job["project_id"], job["parent_checkpoint_id"])
    if held is None:
        raise refusal("The checkpoint that the job was forked from is gone.")
    return held.sha256


def last_step(job: Row) -> int | None:
    """The update after which the clock ended the job: the script ends there too."""
    ended = (job["stopped"] or {}).get("reason") == "max_seconds"
    return int(job["progress"]["step"]) if ended else None


def last_epoch(session: ProjectSession, job: Row) -> int | None:
    """The last with a row, of a job that was cancelled or failed; a loss that diverges is the script's own end."""
    diverged = (job["error"] or {}).get("code") == "diverged"
    if job["status"] not in ("cancelled", "failed") or diverged:
        return None
    newest = latest_epochs(session, [job["id"]]).get(job["id"])
    return None if newest is None else int(newest["epoch"])


def bundle(session: ProjectSession, job_id: str, checkpoint_id: str) -> tuple[str, Iterator[bytes]]:
    """A name, and the bytes of a zip that serves a model: weights, model.py, what was fitted, spec, rows."""
    job = find(session, job_id)
    row = one(session, job, checkpoint_id)
    rows = records.as_csv(records.rows_after(session, records.EPOCHS, job_id, 0, ALL_ROWS).data)
    question = {**asked(session, job), "job_id": job_id}
    session.rollback()
    path = storage.locate(row["path"], row["bytes"], row["sha256"])
    found = answered("bundle", question)
    head, slices = storage.weights_of(path)
    texts = {
        "README.md": readme.text(job, row, found),
        "model.py": found["model"],
        "fitted.json": pretty(found["fitted"]),
        "classes.json": pretty(found["classes"]),
        "spec.json": pretty(job["resolved_spec"]),
        "rows.csv": rows,
    }
    if found["vocabulary"] is not None:
        texts["vocabulary.json"] = pretty(found["vocabulary"])
    entries: list[Entry] = [(name, [text.encode()]) for name, text in texts.items()]
    entries.append(("weights.safetensors", storage.stream(path, head, slices)))
    return f"{row['id']}-bundle.zip", zipped(entries)


def optimizer(session: ProjectSession, job_id: str, checkpoint_id: str) -> dict[str, Any]:
    """The optimizer as the checkpoint's header describes it, written when the checkpoint was."""
    row = one(session, find(session, job_id), checkpoint_id)
    session.rollback()
    path = storage.locate(row["path"], row["bytes"], row["sha256"])
    with path.open("rb") as file:
        header, _ = storage.read_header(file)
    text = header.get("__metadata__", {}).get("optimizer")
    if text is None:
        raise Conflict("The checkpoint says nothing of its optimizer.", code="checkpoint_damaged")
    found: dict[str, Any] = {"object": "optimizer", "checkpoint": row["id"], **finite(json.loads(text))}
    return found


def asked(session: ProjectSession, job: Row) -> dict[str, Any]:
    """What the previews worker needs to know, which asks no database. Raises Unavailable where there is none."""
    if not answer_previews(live_workers(session)):
        raise Unavailable("No previews worker is there to write it.", retry_after=5)
    resolved = in_force(job["resolved_spec"], job["epochs"])
    catalog = Catalog(job["project_id"])
    return {
        "resolved_spec": resolved,
        "datasets": catalog.as_json(resolved),
        "weights": weights.told(job["project_id"], resolved),
        "title": job["name"] or job["id"],
    }


def answered(kind: str, question: dict[str, Any]) -> dict[str, Any]:
    """Never a remembered answer: the files that it names may have gone since. Raises Conflict, and says why."""
    answer = previews.send(kind, question, SECONDS)
    if "errors" in answer:
        first = answer["errors"][0]
        where = f"{first['pointer']}: " if first["pointer"] else ""
        raise refusal(f"The job cannot be exported: {where}{first['detail']}.")
    result: dict[str, Any] = answer["result"]
    return result


def refusal(detail: str) -> Conflict:
    return Conflict(detail, code="not_exportable")


def pretty(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"


def finite(value: Any) -> Any:
    """Numbers that JSON does not have as the words for them."""
    if isinstance(value, float) and not math.isfinite(value):
        return number(value)
    if isinstance(value, list):
        return [finite(item) for item in value]
    return {key: finite(item) for key, item in value.items()} if isinstance(value, dict) else value
