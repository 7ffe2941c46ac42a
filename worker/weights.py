"""Initial weights: which tensors of a file go where in a model."""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import safe_open

from app.blobs import blob_path
from app.jobs.spec import SpecError
from app.jobs.spec.model import InitialWeights
from app.jobs.spec.patterns import compile_pattern, matching
from app.weights.stored import StoredFile

POINTER = "/model/initial_weights"


@dataclass(frozen=True)
class StoredWeights:
    """A safetensors file; `shapes` of its tensors by name, without `prefix` (a checkpoint's are `model.`)."""

    file: str
    shapes: dict[str, list[int]]
    prefix: str = ""

    @classmethod
    def told(cls, found: StoredFile, file: str) -> "StoredWeights":
        return cls(file, found.shapes, found.prefix)

    @classmethod
    def read(cls, file: str, prefix: str = "") -> "StoredWeights":
        """Reads the header alone."""
        with safe_open(file, framework="pt") as opened:
            names = [name for name in opened.keys() if name.startswith(prefix)]  # noqa: SIM118 (not a dict)
            shapes = {name.removeprefix(prefix): list(opened.get_slice(name).get_shape()) for name in names}
        return cls(file, shapes, prefix)


# Finds the checkpoint or upload that a spec names. Raises SpecError.
WeightsOf = Callable[[InitialWeights], StoredWeights]


def weights_told(told: dict[str, Any] | None) -> WeightsOf:
    """Names and shapes alone: a dry run opens no file."""

    def weights_of(_: InitialWeights) -> StoredWeights:
        return StoredWeights.told(_known(told), "")

    return weights_of


def weights_in(told: dict[str, Any] | None, store: Path) -> WeightsOf:
    """The file itself, its bytes compared with the hash that they had when the job was submitted."""

    def weights_of(_: InitialWeights) -> StoredWeights:
        found = _known(told)
        path = blob_path(store, found.sha256)
        try:
            with path.open("rb") as file:
                intact = hashlib.file_digest(file, "sha256").hexdigest() == found.sha256
        except FileNotFoundError:
            raise SpecError([{"pointer": POINTER, "detail": "the file is gone"}]) from None
        if not intact:
            raise SpecError([{"pointer": POINTER, "detail": "the file is damaged"}])
        return StoredWeights.told(found, str(path))

    return weights_of


def _known(told: dict[str, Any] | None) -> StoredFile:
    if told is None:
        raise SpecError([{"pointer": POINTER, "detail": "is not there any more"}])
    return StoredFile(**told)


class Match(NamedTuple):
    """`loaded`: the file's name for each of the model's; and what does not fit."""

    loaded: dict[str, str]
    missing: list[str]
    unexpected: list[str]
    different_shape: list[str]


def match_weights(
    settings: InitialWeights, stored: StoredWeights, shapes: dict[str, list[int | None]], aliases: Collection[str] = ()
) -> Match:
    """`shapes`: of the model's parameters and buffers; `aliases`: second names of tied ones, loaded with the first.

    None in a shape is a size that is not known yet: any will do.

    Raises SpecError where `strict` finds a difference.
    """
    wanted = set(shapes) if settings.params is None else set(matching(settings.params, list(shapes)))
    if not wanted:
        raise SpecError([{"pointer": f"{POINTER}/params", "detail": "matches no parameter's whole name"}])
    names: dict[str, str] = {}
    for source in stored.shapes:
        name = renamed(source, settings.rename)
        if names.setdefault(name, source) != source:
            detail = f"gives {names[name]} and {source} one name: {name}"
            raise SpecError([{"pointer": f"{POINTER}/rename", "detail": detail}])
    fitting = [name for name in shapes if name in wanted and name in names]
    loaded = {name: names[name] for name in fitting if _fits(stored.shapes[names[name]], shapes[name])}
    found = Match(
        {name: stored.prefix + source for name, source in loaded.items()},
        [name for name in shapes if name in wanted and name not in names],
        [name for name in names if name not in shapes and name not in aliases],
        [name for name in fitting if name not in loaded],
    )
    differences = {key: value for key, value in found._asdict().items() if key != "loaded" and value}
    if settings.params is not None:  # only a part was asked for
        differences.pop("unexpected", None)
    if settings.strict and differences:
        sentence = "; ".join(f"{key.replace('_', ' ')}: {', '.join(value[:5])}" for key, value in differences.items())
        raise SpecError([{"pointer": POINTER, "detail": f"{sentence} (strict: false loads what fits)"}])
    if not loaded:
        raise SpecError([{"pointer": POINTER, "detail": "no tensor of the file fits the model"}])
    return found


def _fits(stored: list[int], shape: list[int | None]) -> bool:
    return len(stored) == len(shape) and all(own in (None, size) for size, own in zip(stored, shape, strict=True))


def renamed(name: str, rules: list[tuple[str, str]]) -> str:
    """The first rule whose pattern takes the whole name gives the new one; `\\1` is its first group."""
    for pattern, replacement in rules:
        compiled = compile_pattern(pattern)
        if compiled.fullmatch(name):
            return str(compiled.sub(replacement, name, count=1))
    return name
