"""Where the script has its tensors from: scikit-learn or a list, prepared on the spot; a seed; or data.safetensors."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import safe_open

from app.jobs.spec import JobSpec, Plan
from app.jobs.spec.data import Synthetic
from worker.datasets.split import PARTS
from worker.training.data import synthetic

from .code import literal
from .sources import source_of
from .written import is_written, written

DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip

LOAD = '''def load(path):
    """The tensors of a safetensors file: 8 bytes (the header's length), a JSON header, the tensors' bytes."""
    content = bytearray(Path(__file__).with_name(path).read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        flat = torch.frombuffer(content[start + begin : start + end], dtype=DTYPES[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"]).clone()
    return tensors'''

LOADING = ("DTYPES = {" + ", ".join(f'"{key}": torch.{name}' for key, name in DTYPES.items()) + "}", LOAD)


@dataclass
class DataSource:
    """Lines that end with train_inputs, train_targets and so on; `file`: what has to lie beside the script."""

    lines: list[str] = field(default_factory=list)
    definitions: list[str] = field(default_factory=list)
    file: str | None = None
    lengths: bool = False
    weights: bool = False
    dtype: str = "float32"
    parts: tuple[str, ...] = ("train",)


def data_source(spec: JobSpec, work: Plan, prepared: dict[str, Any] | None) -> DataSource:
    if spec.data is None or spec.loss is None:
        return DataSource(parts=())
    counts = work.counts
    parts = tuple(part for part in PARTS if getattr(counts, part))
    dataset = spec.data.dataset
    if isinstance(dataset, Synthetic):
        return synthesized(dataset, counts.__dict__, parts)
    if is_written(spec.data):
        kind = "class" if spec.loss.target == "class" else "number"
        return DataSource(list(written(spec.data, kind, parts)), parts=parts)
    assert prepared is not None
    return from_file(Path(prepared["file"]), parts)


def synthesized(dataset: Synthetic, counts: dict[str, int], parts: tuple[str, ...]) -> DataSource:
    make = synthetic.TASKS[dataset.task]
    name = make.__name__.strip("_")
    definition = source_of(make).replace(f"def {make.__name__}", f"def {name}")
    settings = f"{dataset.samples}, {literal(list(dataset.shape))}, {dataset.classes}"
    lines = [
        f"generator = torch.Generator().manual_seed({dataset.seed})",
        f"inputs, targets = {name}({settings}, generator)",
    ]
    start = 0
    for part in parts:
        stop = start + counts[part]
        lines.append(f"{part}_inputs, {part}_targets = inputs[{start}:{stop}].clone(), targets[{start}:{stop}]")
        start = stop
    noise = [f"NOISE = {synthetic.NOISE}"] if "NOISE" in definition else []
    return DataSource(lines, [*noise, definition], parts=parts, dtype="int64" if name == "tokens" else "float32")


def from_file(path: Path, parts: tuple[str, ...]) -> DataSource:
    with safe_open(path, framework="pt") as file:
        names = set(file.keys())
        dtype = file.get_slice("train.inputs").get_dtype()
    lines = ['data = load("data.safetensors")']
    lines += [f'{part}_inputs, {part}_targets = data["{part}.inputs"], data["{part}.targets"]' for part in parts]
    lengths, weights = "train.lengths" in names, "train.weights" in names
    for key, wanted in (("lengths", lengths), ("weights", weights)):
        lines += [f'{part}_{key} = data["{part}.{key}"]' for part in parts if wanted]
    return DataSource(lines, list(LOADING), str(path), lengths, weights, DTYPES[dtype], parts)
