"""Jobs and dry runs as people read them."""

from typing import Any

from rich.markup import escape

from descent.cli.output import Column, console, note, print_pairs, print_table
from descent.cli.text import ago, clock, figures, lasted, number, scalars, short_ids, size, span, status
from descent.types import DryRun, Job


def print_jobs(jobs: list[Job]) -> None:
    rows = [job["latest"] for job in jobs]
    print_table(
        [
            Column("job", short_ids([job["id"] for job in jobs], console.width)),
            Column("name", [shorten(job["name"] or "") for job in jobs], rank=2),
            Column("status", [status(job) for job in jobs]),
            Column("epoch", [f"{job['progress']['epoch']}/{job['progress']['epochs']}" for job in jobs], right=True),
            Column("train loss", [number(row["train_loss"]) if row else "" for row in rows], rank=3, right=True),
            Column("validation", [number(row["validation_loss"]) if row else "" for row in rows], rank=4, right=True),
            Column("took", [span(lasted(job)) for job in jobs], rank=5, right=True),
            Column("created", [ago(job["created_at"]) for job in jobs], rank=1, style="dim"),
        ]
    )


def shorten(name: str, length: int = 32) -> str:
    return escape(name if len(name) <= length else name[: length - 1] + "…")


def print_job(job: Job) -> None:
    progress, error, waiting, best, test = job["progress"], job["error"], job["waiting"], job["best"], job["test"]
    steps = f", step {progress['step']} of {progress['steps']}" if progress["steps"] else ""
    eta = f", {span(progress['eta_seconds'])} left" if progress["eta_seconds"] is not None else ""
    tested = {"loss": test["loss"], **scalars(test["metrics"])} if test else {}
    metrics = scalars(job["latest"]["metrics"]) if job["latest"] else {}
    print_pairs(
        [
            ("job", f"[bold]{job['id']}[/]"),
            ("name", escape(job["name"] or "")),
            ("status", status(job)),
            ("waits", f"{escape(waiting['detail'])} (since {clock(waiting['since'])})" if waiting else ""),
            ("error", f"[red]{escape(error['message'])}[/]" if error else ""),
            ("progress", f"epoch {progress['epoch']} of {progress['epochs']}{steps}{eta}"),
            ("newest", f"epoch {job['latest']['epoch']}: {figures(job['latest'])}" if job["latest"] else ""),
            ("metrics", " · ".join(f"{name} {number(value)}" for name, value in metrics.items())),
            ("best", f"{best['monitor']} {number(best['value'])} at epoch {best['epoch']}" if best else ""),
            ("test", " · ".join(f"{name} {number(value)}" for name, value in tested.items() if value is not None)),
            ("stopped", f"{job['stopped']['reason']} at epoch {job['stopped']['epoch']}" if job["stopped"] else ""),
            ("attempt", f"{job['attempt']}" if job["attempt"] > 1 else ""),
            ("device", escape(" · ".join(filter(None, [job["device"], job["worker"]])))),
            ("labels", escape(" ".join(f"{key}={value}" for key, value in job["metadata"].items()))),
            ("parent", f"{job['parent']['job_id']}" if job["parent"] else ""),
            ("reproduces", reproduced(job)),
            ("created", f"{clock(job['created_at'])} ({ago(job['created_at'])})"),
            ("took", span(lasted(job))),
        ]
    )


def reproduced(job: Job) -> str:
    """How a reproduction compares with its original; empty for any other job."""
    found = job.get("reproduction")
    if found is None:
        return ""
    original = found["job_id"]
    if found["verdict"] == "bit_exact":
        return f"{original}: [green]equal, bit for bit[/]"
    if found["verdict"] is None:
        return escape(f"{original}: {found['detail']}" if "detail" in found else original)
    others = f" (not the same: {', '.join(found['environment'])})" if found.get("environment") else ""
    return f"{original}: [red]differs[/] {escape(first_of(found['first_difference'] or {}) + others)}"


def first_of(difference: dict[str, Any]) -> str:
    """Where two runs part."""
    if "epoch" not in difference:
        return "in the final weights alone"
    if difference["column"] is None:
        return f"from epoch {difference['epoch']}, which only one of them has"
    was, now = difference["recorded"], difference["repeated"]
    return f"from epoch {difference['epoch']}: {difference['column']} was {was}, is {now}"


def print_dry_run(found: DryRun) -> None:
    model: dict[str, Any] = found["model"]
    layers: list[dict[str, Any]] = model.get("layers", [])
    if layers:
        print_table(
            [
                Column("layer", [str(layer["name"]) for layer in layers]),
                Column("type", [str(layer["type"]) for layer in layers]),
                Column("output", [", ".join(map(str, layer.get("output_shape") or ())) for layer in layers]),
                Column("parameters", [f"{layer['parameters']:,}" for layer in layers], right=True),
            ]
        )
        console.print()
    groups = [f"{group['count']} parameters{rate(group)}" for group in found["groups"]]
    parameters, trained = model.get("parameters", 0), model.get("trainable_parameters", 0)
    print_pairs(
        [
            ("parameters", f"{parameters:,}" + (f", {trained:,} of them trained" if trained != parameters else "")),
            ("memory", memory(model)),
            ("work", f"{model['flops_per_sample']:,.0f} FLOPs a sample" if model.get("flops_per_sample") else ""),
            ("groups", " · ".join(groups)),
            ("device", str(found["resolved_spec"].get("resources", {}).get("device", ""))),
        ]
    )
    for warning in found["warnings"]:
        note(f"warning: {warning['pointer']} {warning['detail']}")


def rate(group: dict[str, Any]) -> str:
    return f" at lr {number(group['lr'], 6)}" if "lr" in group else ""


def memory(model: dict[str, Any]) -> str:
    parts = {"weights": "parameter_bytes", "optimizer": "optimizer_bytes", "activations": "activation_bytes"}
    return " · ".join(f"{title} {size(model[key])}" for title, key in parts.items() if model.get(key) is not None)
