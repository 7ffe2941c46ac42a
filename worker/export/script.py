"""The whole run of a job as one plain PyTorch script."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from app.jobs.spec import SpecError
from worker.fit import sample
from worker.resolve import Resolution
from worker.stages import sparse_parameters
from worker.training.config import Config
from worker.training.losses import CLASS_LOSSES
from worker.training.optimizers.groups import grouped_names
from worker.training.schedules.range_test import SMOOTHING, smoothed
from worker.translate import engine_config

from . import augment
from .code import block, call, literal
from .data import DataSource, data_source
from .loop import DENSE, Loop
from .losses import LossSource, MetricSource, loss_source, metric_source
from .models import model_source
from .optimizers import group_source, optimizer_call, rule_class
from .paths import parameter_path
from .schedulers import scheduler_source
from .sources import source_of

IMPORTS = {
    "import argparse": "argparse.",
    "import json": "json.",
    "import math": "math.",
    "from collections import OrderedDict": "OrderedDict(",
    "from pathlib import Path": "Path(",
    "from typing import Any, NamedTuple": "NamedTuple",
    "from typing import Any": ": Any",
    "import sklearn.datasets": "sklearn.datasets.",
    "from torch.nn.utils.rnn import pack_padded_sequence": "pack_padded_sequence(",
    "from torch.optim import Optimizer, lr_scheduler": "lr_scheduler.LRScheduler)",
    "from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn": "AveragedModel(",
}
STANDARD = ("argparse", "json", "math", "collections", "pathlib", "typing")


@dataclass(frozen=True)
class Exported:
    """`files`: what has to lie beside the script, by name: paths."""

    script: str
    files: dict[str, str]


class NotExportable(SpecError):
    """A part of the spec that no script is written for yet, with its pointer."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__([{"pointer": pointer, "detail": detail}])


def training_script(resolution: Resolution, prepared: dict[str, Any] | None, title: str = "") -> Exported:
    """A script that prints the rows of the job. `prepared` as `worker.data.prepare` gives it. Raises NotExportable."""
    document = engine_config(resolution, data=prepared, run={})
    config = Config.parse(document)
    refuse(config)
    data = data_source(resolution.spec, resolution.work, prepared)
    loss, metrics = objective(resolution, config, data)
    several = len(config.phases) > 1
    loop = Loop(
        config,
        loss,
        metrics,
        closure=any(phase.optimizer is not None and phase.optimizer["type"] == "LBFGS" for phase in config.phases),
        sparse=bool(sparse_parameters(resolution.model)),
        lengths=data.lengths and config.model["type"] == "LSTMClassifier",
        weights=data.weights,
        pixels=data.dtype == "uint8",
        validation="validation" in data.parts,
        mixes=any(step["type"] in ("MixUp", "CutMix") for step in config.augment),
        bucket=bool(config.model.get("bucket")),
    )
    if metrics.left_out:
        for phase in config.phases:
            refuse_monitor(phase.scheduler or {}, metrics.left_out)
        refuse_monitor(config.training.early_stopping or {}, metrics.left_out)
    definitions: list[str] = [*data.definitions]
    model = model_source(config.model)
    definitions += model.definitions
    definitions += augment.definitions(config.augment)
    stages = list(phases(config, resolution, definitions))
    if several:
        loop.phases = stages
    if loss is not None:
        definitions += loss.definitions
    files = {"data.safetensors": data.file} if data.file else {}
    main = [*settings(config, loop)]
    if data.lines:
        main += ["", "# The data", *data.lines, *to_device(config, data)]
    main += ["", "# The model", "torch.manual_seed(SEED)", f"model = {model.build}", *initial(config, resolution.model)]
    if config.model.get("initial_weights"):
        files["initial.safetensors"] = config.model["initial_weights"]["file"]
        main += list(initial_weights(config.model["initial_weights"]["names"], definitions))
    if loop.cuda:
        main.append(f"model.to({literal(config.device)})")
    main += ["", "# Loss, optimizer, schedule"] if loss is not None else ["", "# Optimizer, schedule"]
    main += loss.lines if loss is not None else []
    main += extras(config)
    main += [] if several else stages[0]
    main += ["", *functions(loop, definitions), "", *state(loop, resolution)]
    main.append(block("for epoch in range(1, EPOCHS + 1):", loop.epoch()))
    text = assembled(title, definitions, main, files, metrics)
    return Exported(text, files)


def refuse(config: Config) -> None:
    """What would not come out the same."""
    if any(layer.get("type", "").startswith("FractionalMaxPool") for layer in config.model.get("layers", [])) and (
        config.training.validate_every_steps
    ):
        raise NotExportable("/training/validate_every_steps", "draws with FractionalMaxPool: no script does the same")


def refuse_monitor(component: dict[str, Any], left_out: list[str]) -> None:
    monitor = component.get("monitor") or ""
    if monitor.partition("_")[2] in left_out:
        raise NotExportable("/metrics", f"the run depends on {monitor}, which the script does not compute")


def objective(resolution: Resolution, config: Config, data: DataSource) -> tuple[LossSource | None, MetricSource]:
    """The loss and the counted metrics, for the shapes that the model gives on the meta device."""
    if config.loss is None:
        return None, MetricSource({}, [])
    with torch.no_grad():
        outputs = list(resolution.model.eval()(sample(resolution.work, 2)).shape[1:])
    facts, classes = resolution.work.facts, config.loss["type"] in CLASS_LOSSES
    assert facts is not None
    made = config.data is not None and "synthetic" in config.data
    if classes:
        targets = list(facts.target_shape or ())
    else:
        targets = [] if made and facts.classes is not None else [facts.target_width if facts.classes is None else 1]
        if made and facts.classes is not None:
            data.lines += [f"{part}_targets = {part}_targets.float()" for part in data.parts]
    if config.model["type"] == "GPT" or (made and data.dtype == "int64"):
        targets = outputs[:1] if len(outputs) == 2 else targets
    loss = loss_source(config.loss, outputs, targets, data.weights, config.device)
    return loss, metric_source(config.metrics, outputs, targets, classes, config.training.precision != "float32")


def settings(config: Config, loop: Loop) -> Iterator[str]:
    """What holds for the whole run."""
    if loop.function:
        yield f"SEED, EPOCHS = {config.seed}, {config.epochs}"
    else:
        yield f"SEED, EPOCHS, BATCH_SIZE = {config.seed}, {config.epochs}, {config.training.batch_size}"
    yield f"torch.set_num_threads({config.cpu_threads})"
    exact = config.reproducibility == "exact"
    if loop.cuda:
        yield 'os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")'
        yield f"torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = {not exact}, {exact}"
        yield f"torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = {not exact}"
    if exact and (loop.cuda or config.cpu_threads > 1):
        yield "torch.use_deterministic_algorithms(True)"
        yield "torch.utils.deterministic.fill_uninitialized_memory = False"


def to_device(config: Config, data: DataSource) -> Iterator[str]:
    if config.device == "cpu":
        return
    for part in data.parts:
        names = [f"{part}_inputs", f"{part}_targets", *[f"{part}_weights"] * data.weights]
        yield f"{', '.join(names)} = {', '.join(f'{name}.to({literal(config.device)})' for name in names)}"


def initial(config: Config, model: nn.Module) -> Iterator[str]:
    """Draws after construction, in the list's order."""
    for rule in config.model.get("initialization") or []:
        options = [f"{key}={literal(value)}" for key, value in rule.items() if key not in ("type", "params")]
        for name in rule["params"]:
            yield call(f"nn.init.{rule['type']}", [parameter_path(model, name), *options])


def initial_weights(names: dict[str, str], definitions: list[str]) -> Iterator[str]:
    """Copied by name out of the file beside the script."""
    from .data import DTYPES, LOAD

    dtypes = "DTYPES = {" + ", ".join(f'"{key}": torch.{name}' for key, name in DTYPES.items()) + "}"
    definitions += [text for text in (dtypes, LOAD) if text not in definitions]
    yield 'weights, own = load("initial.safetensors"), model.state_dict()'
    pairs = "".join(f"    {literal(name)}: {literal(stored)},\n" for name, stored in names.items())
    yield f"stored = {{\n{pairs}}}"
    yield block("for name, other in stored.items():", ["own[name].copy_(weights[other])"])


def extras(config: Config) -> Iterator[str]:
    if config.training.precision == "float16":
        yield f"scaler = torch.amp.GradScaler({literal(config.device)})"
    if config.training.ema_decay is not None:
        average = f"get_ema_multi_avg_fn({literal(config.training.ema_decay)})"
        yield f"averaged = AveragedModel(model, multi_avg_fn={average})"


def phases(config: Config, resolution: Resolution, definitions: list[str]) -> Iterator[list[str]]:
    """What each phase begins with: freezing, its optimizer or what joins the last one, its scheduler."""
    model, names = resolution.model, [name for name, _ in resolution.model.named_parameters()]
    several = len(config.phases) > 1
    held: set[str] = set()
    last: dict[str, Any] = {}
    groups = 0
    for index, phase in enumerate(config.phases):
        lines: list[str] = []
        if phase.freeze or index:
            frozen = call("", [literal(name) for name in phase.freeze]).replace("(", "{", 1)[:-1] + "}"
            lines.append(f"frozen = {frozen}" if phase.freeze else "frozen = set()")
            lines.append(
                block(
                    "for name, parameter in model.named_parameters():", ["parameter.requires_grad_(name not in frozen)"]
                )
            )
        if phase.optimizer is not None:
            last, held = phase.optimizer, set(names) - set(phase.freeze)
            groups = len(phase.optimizer.get("groups") or [1])
            line = optimizer_call(phase.optimizer, model, phase.freeze)
            if phase.optimizer["type"] == "UpdateRule":
                name = "UpdateRule" if not index else f"UpdateRule{index + 1}"
                definitions.append(rule_class(phase.optimizer, config.seed, name))
                line = line.replace("UpdateRule", name, 1)
            lines.append(f"optimizer = {line}")
        else:
            absent = (held | set(phase.freeze)) & set(names)
            for own, options in grouped_names(last, names, absent, ""):
                lines.append(f"optimizer.add_param_group({group_source({'params': own, **options}, model)})")
                groups += 1
            held |= set(names) - set(phase.freeze)
        lines += scheduler(config, resolution, index, groups, definitions, several)
        yield lines


def scheduler(
    config: Config, resolution: Resolution, index: int, groups: int, definitions: list[str], several: bool
) -> Iterator[str]:
    settings = config.phases[index].scheduler
    by_step = settings is not None and settings.get("interval") == "step"
    if settings is not None:
        epochs = config.phases[index].epochs
        total = epochs * resolution.work.steps_per_epoch if by_step else epochs
        made, build = scheduler_source(settings, total, groups)
        definitions += [text for text in made if not text.startswith("from ")]
        yield f"scheduler = {build}"
    if several:
        if settings is None:
            yield "scheduler = None"
        plateau = settings is not None and settings["type"] == "ReduceLROnPlateau"
        monitor = literal(settings["monitor"]) if settings is not None and plateau else None
        yield f"phase, by_step, monitor = {index}, {by_step}, {monitor}"


def functions(loop: Loop, definitions: list[str]) -> Iterator[str]:
    """What the loop calls and needs the model for."""
    if loop.range_test:
        definitions += [f"SMOOTHING = {SMOOTHING}", source_of(smoothed)]
    if loop.sparse:
        yield from ("", DENSE, "")
    if loop.validation:
        yield from ("", loop.evaluate(), "")
    yield from ("", SHOW, "")


def state(loop: Loop, resolution: Resolution) -> Iterator[str]:
    yield "step = 0"
    if loop.closure or loop.function:
        yield "norm = torch.tensor(0.0)"
    if loop.config.training.early_stopping is not None:
        yield "best, waited = None, 0"
    if loop.range_test:
        yield f"losses, given_way, steps_per_epoch = [], False, {resolution.work.steps_per_epoch}"


SHOW = '''def show(row):
    """One JSON line, or with --csv one line of CSV."""
    if not arguments.csv:
        print(json.dumps(row), flush=True)
        return
    flat = {}
    for key, value in row.items():
        flat |= value if isinstance(value, dict) else {key: value}
    if row["epoch"] == 1:
        print(",".join(flat))
    texts = (" ".join(map(str, value)) if isinstance(value, list) else str(value) for value in flat.values())
    print(",".join(texts), flush=True)'''
PARSER = """parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--csv", action="store_true", help="print CSV instead of JSON lines")
arguments = parser.parse_args()"""


def assembled(title: str, definitions: list[str], main: list[str], files: dict[str, str], metrics: MetricSource) -> str:
    """Docstring, imports, definitions, and what is run."""
    name = re.sub(r"[^ -~]|[\\\"]", "?", title)[:200] or "A job of Descent"
    doc = [f"{name}, as plain PyTorch {torch.__version__.partition('+')[0]}.", ""]
    doc.append("It prints the job's epochs as JSON lines, bit for bit as recorded (same torch, same kind of machine).")
    if files:
        doc.append(f"Beside it: {', '.join(files)}.")
    if metrics.left_out:
        doc.append(f"Left out of the rows: {', '.join(metrics.left_out)}.")
    body = "\n".join([PARSER, "", *main])
    whole = "\n\n\n".join([*definitions, body]) if definitions else body
    wanted = [line for line, mark in IMPORTS.items() if mark in whole]
    if "from typing import Any, NamedTuple" in wanted and "from typing import Any" in wanted:
        wanted.remove("from typing import Any")
    if "os.environ" in whole:
        wanted.insert(2, "import os")
    standard = [line for line in wanted if line.split()[1].split(".")[0] in (*STANDARD, "os")]
    others = ["import torch", "from torch import nn", *(line for line in wanted if line not in standard)]
    if not re.search(r"\bnn\.", whole):
        others.remove("from torch import nn")
    others.sort(key=lambda line: (line.startswith("from"), line))
    standard.sort(key=lambda line: (line.startswith("from"), line))
    head = ['"""' + "\n".join(doc), '"""', "", *standard, *([""] if standard else []), *others]
    text = "\n".join(head) + ("\n\n\n" if definitions else "\n\n") + whole + "\n"
    text = re.sub(r"[ \t]+\n", "\n", text)
    compile(text, "train.py", "exec")  # what is handed out is Python at least
    return re.sub(r"\n{4,}", "\n\n\n", text)


__all__ = ["Exported", "NotExportable", "training_script"]
