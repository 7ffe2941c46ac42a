"""Parameter groups by explicit names."""

from collections.abc import Iterator
from typing import Any

from worker.training.config import Component
from worker.training.errors import ConfigError


def grouped_names(
    config: Component, names: list[str], absent: set[str], pointer: str
) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """Each group's parameter names and options, in the config's order; names of no group come last, with no options.

    Names in `absent` are passed over, and a group that would be empty is left out.
    """
    taken: set[str] = set()
    for index, group in enumerate(config.get("groups") or []):
        unknown = [name for name in group["params"] if name not in names]
        if unknown:
            raise ConfigError(f"{pointer}/groups/{index}/params", f"the model has no {', '.join(unknown)}")
        own = [name for name in group["params"] if name not in taken and name not in absent]
        taken.update(group["params"])
        options = {
            key: tuple(value) if isinstance(value, list) else value for key, value in group.items() if key != "params"
        }
        if own:
            yield own, options
    rest = [name for name in names if name not in taken and name not in absent]
    if rest:
        yield rest, {}
