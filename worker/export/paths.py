"""How the parts of a model are reached in source: `model.fc.weight`, `model[3].bias`, `model.layer1.parameters()`."""

from collections.abc import Iterator

from torch import nn

from .code import is_name, literal


def parameter_path(model: nn.Module, name: str) -> str:
    """Source that reaches a parameter by its name."""
    owner, _, last = name.rpartition(".")
    found, module = module_path(model, owner), model.get_submodule(owner)
    if is_name(last) and getattr(module, last, None) is module._parameters[last]:
        return f"{found}.{last}"
    return f"{found}._parameters[{literal(last)}]"


def module_path(model: nn.Module, name: str) -> str:
    """Source that reaches a module by its name; "" is the model."""
    text, current = "model", model
    for part in name.split(".") if name else []:
        child = current.get_submodule(part)
        listed = isinstance(current, nn.Sequential | nn.ModuleList)
        if listed and part.isdigit() and int(part) < len(current) and current[int(part)] is child:  # type: ignore[index,arg-type]
            text += f"[{int(part)}]"
        elif is_name(part) and getattr(current, part, None) is child:
            text += f".{part}"
        else:
            return f"model.get_submodule({literal(name)})"
        current = child
    return text


def parameter_lists(model: nn.Module, names: list[str]) -> Iterator[str]:
    """Source of the items of a list of parameters: whole modules as `*module.parameters()`, single ones by path."""
    owned = {name: list(_names(model, name)) for name, _ in model.named_modules()}
    place = 0
    while place < len(names):
        for prefix in prefixes(names[place]):
            inside = owned.get(prefix, [])
            if len(inside) > 1 and names[place : place + len(inside)] == inside:
                yield f"*{module_path(model, prefix)}.parameters()"
                place += len(inside)
                break
        else:
            yield parameter_path(model, names[place])
            place += 1


def prefixes(name: str) -> Iterator[str]:
    """The modules that hold a parameter, the outermost first."""
    parts = name.split(".")[:-1]
    for depth in range(len(parts) + 1):
        yield ".".join(parts[:depth])


def _names(model: nn.Module, prefix: str) -> Iterator[str]:
    for name, _ in model.get_submodule(prefix).named_parameters():
        yield f"{prefix}.{name}" if prefix else name
