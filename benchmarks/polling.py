"""What polling costs: requests a second and latencies of what clients and dashboards ask again and again.

200 runs of 100 epochs on a real Postgres, one API process with its keys, row-level security and logs, over real HTTP on
this machine; beside it the plain thing: a FastAPI route that returns a dict of the same rows, without keys or projects.
The two are asked in turn, in the same minutes, by the same client, which takes its share of the same cores.
A `fresh` request carries a parameter that makes it differ from all before, so that memory has no answer to it.
"""

import asyncio
import itertools
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

RUNS, EPOCHS = 200, 100
SECONDS, ROUNDS = 1.5, 3
CONCURRENCY = (1, 8, 32)
ROOT = Path(__file__).parents[1]
PLAIN = "plain"

Row = tuple[str, str, dict[str, str]]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="descent-bench-") as folder:
        os.chdir(ROOT)
        servers = prepare(Path(folder))
        try:
            measure(*servers)
        finally:
            from app.local import processes
            from app.local.postgres import STOP

            processes.stop(dict.fromkeys(servers[2], STOP))


def prepare(folder: Path) -> tuple[str, dict[str, str], list[Any]]:
    """Database with its runs, and both servers: the address of ours, what it takes to ask, the processes."""
    from app.local import migrate
    from app.local.postgres import Postgres

    postgres = Postgres(folder, folder, folder / "postgres.log", durable=False)
    postgres.create()
    database = postgres.start()
    postgres.wait(database)
    postgres.create_database("bench")
    os.environ |= {
        "DESCENT_DATABASE_URL": postgres.url("bench"),
        "DESCENT_BROKER_URL": "redis+socket:///nowhere.sock",
        "DESCENT_STORE_URL": str(folder),
        "DESCENT_LOG_LEVEL": "warning",
    }
    migrate.upgrade("head")
    key, job_id = fill()
    ours, plain = free_port(), free_port()
    serve = [sys.executable, "-m", "uvicorn", "--no-access-log", "--log-level", "warning", "--port"]
    children = [
        subprocess.Popen([*serve, str(ours), "app.main:app"]),
        subprocess.Popen([*serve, str(plain), "benchmarks.polling:plain_app", "--factory"]),
    ]
    for port in (ours, plain):
        wait_for(port)
    named = {"key": key, "job": job_id, PLAIN: str(plain), "ours": str(ours)}
    return f"http://127.0.0.1:{ours}", named, [*children, database]


def fill() -> tuple[str, str]:
    """The runs, in one statement each; a key and the id of one of them."""
    from sqlalchemy import text
    from sqlalchemy.orm import Session

    from app.database import get_engine
    from app.jobs.examples import SPEC
    from app.projects.service import create_key, ensure_default_project

    with Session(get_engine()) as session, session.begin():
        ensure_default_project(session)
        project = session.scalar(text("SELECT id FROM project"))
        key = create_key(session, "bench", ("read",), None)
        values = {"spec": json.dumps(SPEC), "project": project, "runs": RUNS, "epochs": EPOCHS}
        progress = json.dumps({"epoch": EPOCHS, "step": 500, "steps": 500, "phase": 0})
        session.execute(
            text("""
INSERT INTO job (id, project_id, name, spec, resolved_spec, spec_sha256, seed, queue, labels, status, version, last_seq,
  attempt, epochs, progress, priority, failures, finished_at)
SELECT 'job_' || lpad(n::text, 26, '0'), :project, 'run ' || n, :spec, :spec, repeat('0', 64), 0, 'cpu', '{}',
  'succeeded', 200, CAST(:epochs AS bigint), 1, CAST(:epochs AS bigint), :progress, 0, 0, now()
FROM generate_series(1, :runs) n"""),
            values | {"progress": progress},
        )
        session.execute(
            text("""
INSERT INTO epoch (job_id, epoch, project_id, seq, attempt, phase, train_loss, validation_loss, metrics, learning_rates,
  gradient_norm, samples, duration_seconds, samples_per_second)
SELECT id, e, :project, e, 1, 0, random(), random(), json_build_object('train_accuracy', random()),
  ARRAY[random()], random(), 120, 0.02, 6000 FROM job, generate_series(1, CAST(:epochs AS bigint)) e"""),
            values,
        )
        session.execute(text("ANALYZE"))  # as autovacuum does within a minute
    return key, "job_" + "1".rjust(26, "0")


def plain_app() -> Any:
    """The usual way: a session for each request, a dict for each row, FastAPI's own serialisation."""
    from fastapi import FastAPI
    from sqlalchemy import select
    from sqlalchemy.orm import Session

    from app.database import get_engine
    from app.models import Epoch

    app = FastAPI()

    @app.get("/jobs/{job_id}/epochs")
    def epochs(job_id: str, after_seq: int = 0) -> dict[str, Any]:
        with Session(get_engine()) as session:
            wanted = select(Epoch.__table__).where(Epoch.job_id == job_id, Epoch.seq > after_seq).order_by(Epoch.seq)
            return {"data": [dict(row) for row in session.execute(wanted).mappings()]}

    return app


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def measure(url: str, named: dict[str, str], _: list[Any]) -> None:
    job, key = f"/v1/jobs/{named['job']}", {"authorization": f"Bearer {named['key']}"}
    with urllib.request.urlopen(urllib.request.Request(url + job, headers=key)) as answer:
        seen = key | {"if-none-match": answer.headers["etag"]}
    cases: dict[str, Row] = {
        "plain FastAPI, full body": (named[PLAIN], f"/jobs/{named['job']}/epochs?", {}),
        "full body, fresh": (named["ours"], f"{job}/epochs?fresh=", key),
        "full body, kept": (named["ours"], f"{job}/epochs?kept", key),
        "one new row, fresh": (named["ours"], f"{job}/epochs?after_seq={EPOCHS - 1}&fresh=", key),
        "nothing new, kept": (named["ours"], f"{job}/epochs?after_seq={EPOCHS}", key),
        "304, fresh": (named["ours"], f"{job}?fresh=", seen),
        "304, kept": (named["ours"], job, seen),
        f"list of {RUNS} runs": (named["ours"], f"/v1/jobs?limit={RUNS}&fresh=", key),
    }
    found: dict[tuple[str, int], list[tuple[float, float, float, int]]] = {}
    for _round, concurrency, name in itertools.product(range(ROUNDS), CONCURRENCY, cases):
        found.setdefault((name, concurrency), []).append(asyncio.run(load(*cases[name], concurrency)))
    print(f"{'':26}" + "".join(f"c={c}: p50/p95 ms, req/s".rjust(28) for c in CONCURRENCY) + "   bytes")
    for name in cases:
        line = f"{name:26}"
        for concurrency in CONCURRENCY:
            p50, p95, rate, size = (statistics.median(one) for one in zip(*found[name, concurrency], strict=True))
            line += f"{p50:.2f}/{p95:.2f}, {rate:.0f}".rjust(28)
        print(f"{line}{size:8.0f}", flush=True)


async def load(port: str, path: str, headers: dict[str, str], concurrency: int) -> tuple[float, float, float, int]:
    """p50 and p95 in ms, requests a second, bytes of a body."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    fresh, numbers = path.endswith("fresh="), itertools.count(time.monotonic_ns())
    taken: list[float] = []
    sizes = {0}

    async def ask(until: float) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        while time.perf_counter() < until:
            asked = f"{path}{next(numbers)}" if fresh else path
            began = time.perf_counter()
            writer.write(f"GET {asked} HTTP/1.1\r\nhost: x\r\n{lines}\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert head[9:12] in (b"200", b"304"), head
            size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
            await reader.readexactly(size)
            taken.append(time.perf_counter() - began)
            sizes.add(size)
        writer.close()

    await asyncio.gather(*(ask(time.perf_counter() + 0.3) for _ in range(concurrency)))  # warm
    taken.clear()
    began = time.perf_counter()
    await asyncio.gather(*(ask(began + SECONDS) for _ in range(concurrency)))
    rate = len(taken) / (time.perf_counter() - began)
    ordered = sorted(taken)
    return ordered[len(ordered) // 2] * 1000, ordered[int(len(ordered) * 0.95)] * 1000, rate, max(sizes)


if __name__ == "__main__":
    main()
