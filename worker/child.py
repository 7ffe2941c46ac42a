"""What runs in a forked trainer: data, translation, training; reports as JSON lines, requests on the same socket."""

import contextlib
import faulthandler
import json
import os
import resource
import socket
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, TextIO

from app.datasets.errors import DatasetError
from app.datasets.facts import UnknownDataset
from app.datasets.stored import Known
from app.jobs.spec import SpecError, validate
from worker import data, training
from worker.datasets.uploaded import sources_of
from worker.datasets.vectors import prepare_vectors
from worker.export.prepared import keep
from worker.training import failpoints
from worker.training.requests import Requests
from worker.translate import translate
from worker.weights import weights_in

RUNG_SECONDS = 10.0
"""How long a point of a sweep waits to be told whether it goes on."""
WANTED = ("pause", "cancel", "drain", "preempt")


def warm_up() -> None:
    """Import and run what every trainer would: once, in the warm parent."""
    from worker.training import entry  # noqa: F401

    model = {"type": "Function", "expression": "x ** 2", "initial": {"x": 1.0}}
    document = {"seed": 0, "model": model, "optimizer": {"type": "SGD", "lr": 0.1}, "training": {"epochs": 1}}
    with contextlib.suppress(SpecError):
        translate(document, data=None, run={})


def main(channel: socket.socket) -> None:
    """Train what the first line on the channel says. Returns when the end is reported."""
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")  # short of memory, the trainer goes before its supervisor
    os.nice(5)  # on a busy host its supervisor beats the lease, and a part that died comes back, before it trains
    channel.setblocking(True)
    lines = channel.makefile("r", encoding="utf-8")
    order = json.loads(lines.readline())
    requests = Requests()
    judged = threading.Event()
    threading.Thread(target=listen, args=(lines, requests, judged), name="requests", daemon=True).start()
    lock = threading.Lock()

    rungs = frozenset(order.get("rungs", ()))

    def report(message: dict[str, Any]) -> None:
        at_a_rung = message["type"] == "epoch" and message["epoch"] in rungs
        if at_a_rung:
            judged.clear()
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        with lock:
            try:
                channel.sendall(line)
            except OSError:
                os._exit(3)  # nobody listens any more
        if at_a_rung and requests.wanted is None:
            judged.wait(RUNG_SECONDS)

    train(order, report, requests)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # no destructors: everything that matters is reported and synced


def listen(lines: TextIO, requests: Requests, judged: threading.Event) -> None:
    """Runs beside the training; the supervisor's end takes the trainer along."""
    for line in lines:
        wanted = line.strip()
        if wanted in WANTED:
            requests.wanted = wanted  # type: ignore[assignment]
        judged.set()  # whatever it was, a trainer that waits at a rung of its sweep has its answer
    os._exit(3)


def train(order: dict[str, Any], report: Any, requests: Requests) -> None:
    """Data and translation; what is wrong with them is the spec's fault and ends the job with a pointer."""
    failpoints.reach("trainer_started")
    store = Path(order["store"])
    try:
        spec, known = validate(order["resolved_spec"]), Known.from_json(order.get("datasets", {}))
        sources = sources_of(known, store)
        prepared = data.prepare(
            spec,
            store,
            facts_of=known.facts_of,
            source_of=sources,
            contents=known.contents(),
            memory_bytes=order.get("memory_bytes"),
        )
        config = translate(
            order["resolved_spec"],
            data=prepared,
            run=order["run"] | {"memory_bytes": order.get("memory_bytes")},
            facts_of=known.facts_of,
            weights_of=weights_in(order.get("weights"), store),
            vectors=prepare_vectors(spec, prepared, store, known),
            memory_bytes=order.get("memory_bytes"),
            most_parameters=order.get("most_parameters"),
        )
        keep(Path(order["run"]["directory"]), order["resolved_spec"], config, known)
    except SpecError as error:
        report(failed("invalid_spec", summary(error), {"errors": error.errors}))
    except (UnknownDataset, DatasetError) as error:
        detail = {"errors": [{"pointer": "/data/dataset", "detail": str(error)}]}
        report(failed("invalid_spec", f"/data/dataset: {error}", detail))
    except MemoryError as error:
        traceback.print_exc()
        report(failed("out_of_memory", str(error) or "out of memory while the data was prepared", None))
    except OSError as error:
        traceback.print_exc()
        report(
            failed("disk_full" if error.errno in (27, 28, 122) else "internal", f"preparing the data: {error}", None)
        )
    except Exception as error:
        traceback.print_exc()
        report(failed("internal", f"preparing the data: {type(error).__name__}: {error}", None))
    else:
        training.run(config, report, requests)


def summary(error: SpecError) -> str:
    first = error.errors[0]
    return f"{first['pointer']}: {first['detail']}"


def failed(code: str, message: str, detail: Any) -> dict[str, Any]:
    error = {"code": code, "message": message, "detail": detail}
    return {
        "type": "end",
        "outcome": "failed",
        "request": None,
        "stopped": None,
        "test": None,
        "best": None,
        "error": error,
    }
