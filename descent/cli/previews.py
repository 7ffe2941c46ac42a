"""The commands that say what a schedule or an optimizer would do, without a job."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from descent.cli.output import Column, Json, State, connected, print_json, print_table
from descent.cli.specs import change, read_spec
from descent.cli.text import number
from descent.errors import DescentError

app = typer.Typer(no_args_is_help=True, help="What a schedule or an optimizer would do, without a job.")
SHOWN_ROWS = 20

File = Annotated[str, typer.Argument(metavar="FILE", help="A job spec in JSON; `-` reads standard input.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="/POINTER=VALUE", help="Change a value of the spec; may be repeated."),
]
All = Annotated[bool, typer.Option("--all", help=f"Every point, not {SHOWN_ROWS} of them.")]


@app.command()
def schedule(
    file: File,
    changes: Changes = None,
    phase: Annotated[int, typer.Option(min=0, help="Which phase, counted from 0.")] = 0,
    every: All = False,
    as_json: Json = False,
    state: State = None,
) -> None:
    """The learning rates of a job, group by group.

    FILE may also be the question itself: optimizer, scheduler, epochs, steps_per_epoch.

    $ descent preview schedule examples/schedule-warmup-cosine.json

    $ descent preview schedule spec.json --set /scheduler/warmup=10 --all
    """
    with connected(state) as client:
        spec = read(file, changes)
        question = spec if "model" not in spec else {**stage(spec, phase), "steps_per_epoch": 1}
        if "model" in spec and by_step(question):
            question["steps_per_epoch"] = client.dry_run(spec)["steps_per_epoch"]
        found = client.transport.post("/v1/previews/schedule", question)
    if as_json:
        print_json(found)
        return
    points, groups = found["points"], found["groups"]
    rows = picked(len(points), every)
    columns = [Column("step" if by_step(question) else "epoch", [str(points[row]) for row in rows], right=True)]
    for group in groups:
        name = f" {group['index']}" if len(groups) > 1 else ""
        columns.append(Column(f"lr{name}", [number(group["lr"][row], 6) for row in rows], right=True))
        if group["momentum"] and len(set(group["momentum"])) > 1:
            columns.append(Column(f"momentum{name}", [number(group["momentum"][row], 6) for row in rows], right=True))
    print_table(columns)


@app.command()
def trajectory(
    file: File,
    changes: Changes = None,
    steps: Annotated[int | None, typer.Option(min=1, help="How many, instead of the spec's epochs.")] = None,
    every: All = False,
    as_json: Json = False,
    state: State = None,
) -> None:
    """The way of a Function's numbers under the spec's optimizer.

    $ descent preview trajectory examples/quadratic-lr0.01-momentum0.9.json --steps 50
    """
    with connected(state) as client:
        spec = read(file, changes)
        count = steps or spec.get("steps") or spec.get("training", {}).get("epochs")
        if not isinstance(count, int):
            raise DescentError("--steps: how many?")
        path = client.preview_trajectory(spec.get("model", {}), spec.get("optimizer", {}), steps=count)
    if as_json:
        print_json(path)
        return
    shown = [path[row] for row in picked(len(path), every)]
    values = {"step": [str(point["step"]) for point in shown]}
    values |= {name: [number(point["parameters"][name], 6) for point in shown] for name in path[0]["parameters"]}
    values |= {" loss": [number(point["loss"], 6) for point in shown]}  # a parameter may be called loss
    print_table([Column(name, column, right=True) for name, column in values.items()])


def by_step(question: Mapping[str, Any]) -> bool:
    scheduler = question.get("scheduler") or {}
    return scheduler.get("interval") == "step" or scheduler.get("type") == "RangeTest"


def read(file: str, changes: Sequence[str] | None) -> dict[str, Any]:
    spec = read_spec(file)
    for assignment in changes or ():
        change(spec, assignment)
    return spec


def stage(spec: Mapping[str, Any], phase: int) -> dict[str, Any]:
    """Optimizer, schedule and epochs of a phase; without an optimizer of its own, the last one goes on."""
    phases = spec.get("phases")
    if phases is None:
        epochs = spec.get("training", {}).get("epochs")
        return {"optimizer": spec.get("optimizer"), "scheduler": spec.get("scheduler"), "epochs": epochs}
    if phase >= len(phases):
        raise DescentError(f"--phase {phase}: there are {len(phases)}")
    optimizers = [one["optimizer"] for one in phases[: phase + 1] if one.get("optimizer")]
    chosen = phases[phase]
    return {
        "optimizer": optimizers[-1] if optimizers else None,
        "scheduler": chosen.get("scheduler"),
        "epochs": chosen.get("epochs"),
    }


def picked(count: int, every: bool) -> list[int]:
    """Rows at even distances, the first and the last among them."""
    if every or count <= SHOWN_ROWS:
        return list(range(count))
    return sorted({round(row * (count - 1) / (SHOWN_ROWS - 1)) for row in range(SHOWN_ROWS)})
