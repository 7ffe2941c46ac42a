"""The optimizer as the line that a person writes, or, for an UpdateRule, as a small class."""

from typing import Any

from torch import nn

from worker.training.config import Component
from worker.training.formulas import names_in
from worker.training.optimizers import OPTIMIZERS

from . import mixed
from .code import arguments, block, call, literal, variables
from .expressions import expression, is_tensor
from .paths import parameter_lists

CHOSEN = ("foreach", "fused")  # by the service, where the spec leaves them out: always written
GIVEN = ("param", "grad", "noise", "lr", "step")
# What the method needs for itself.
TAKEN = {
    "self", "closure", "loss", "group", "weight", "state", "generator", "torch", "math", "abs", "min", "max", "float",
    *GIVEN, *mixed.NAMES,
}  # fmt: skip


def optimizer_call(config: Component, model: nn.Module, frozen: list[str]) -> str:
    """`torch.optim.Adam(model.parameters(), lr=0.01)`."""
    given = {key: value for key, value in config.items() if key not in ("type", "groups")}
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    parameters = groups_source(config, model, frozen)
    if config["type"] == "UpdateRule":
        return call("UpdateRule", [parameters, f"lr={literal(given['lr'])}"])
    kind = OPTIMIZERS[config["type"]]
    chosen = [f"{key}={literal(given.pop(key))}" for key in CHOSEN if given.get(key) is not None]
    lr = given.pop("lr")
    texts = [parameters, f"lr={literal(lr)}", *arguments(kind.__init__, given), *chosen]
    return call(f"torch.optim.{kind.__name__}", texts)


def groups_source(config: Component, model: nn.Module, frozen: list[str]) -> str:
    groups = config.get("groups") or []
    own = [{key: value for key, value in group.items() if key != "params"} for group in groups]
    if len(groups) == 1 and not own[0]:
        if not frozen:
            return "model.parameters()"
        return "[p for p in model.parameters() if p.requires_grad]"
    written = [group_source(group, model) for group in groups]
    return call("", [])[:0] + bracketed(written)


def group_source(group: dict[str, Any], model: nn.Module) -> str:
    """`{"params": [...], "lr": 0.1}`."""
    options = "".join(
        f", {literal(key)}: {literal(tuple(value) if isinstance(value, list) else value)}"
        for key, value in group.items()
        if key != "params"
    )
    return '{"params": ' + bracketed(list(parameter_lists(model, group["params"]))) + options + "}"


def bracketed(items: list[str]) -> str:
    line = f"[{', '.join(items)}]"
    return line if len(line) < 90 and "\n" not in line else call("", items).replace("(", "[", 1)[:-1] + "]"


def rule_class(config: Component, seed: int, name: str = "UpdateRule") -> str:
    """The formulas in order, over each parameter, with its state."""
    tensors: dict[str, bool | None] = {"param": True, "grad": True, "noise": True, "lr": False, "step": False}
    tensors |= dict.fromkeys(config["hyperparameters"], False) | dict.fromkeys(config["state"], True)
    own = dict.fromkeys([*tensors, *(target for target, _ in config["update"])])
    names = variables([name for name in own if name not in GIVEN], TAKEN) | {name: name for name in GIVEN}
    noisy = any("noise" in names_in(tree) for _, tree in config["update"])
    loop = ["if weight.grad is None:", "    continue", "param, grad, state = weight, weight.grad, self.state[weight]"]
    first = ", ".join(f"{literal(k)}: torch.full_like(weight, {literal(float(v))})" for k, v in config["state"].items())
    loop += ["if not state:", f"    state.update({{'step': 0{', ' + first if first else ''}}})".replace("'", '"')]
    loop += ['state["step"] += 1', 'step = float(state["step"])']
    if noisy:
        seeded = f'torch.Generator().manual_seed(({seed} * 1_000_003 + state["step"]) % 2**32)'
        loop += ["if generator is None:", f"    generator = {seeded}"]
        loop += ["noise = torch.randn(weight.shape, generator=generator).to(weight.device, weight.dtype)"]
    loop += [f"{names[key]} = state[{literal(key)}]" for key in config["state"]]
    for target, tree in config["update"]:
        text, on_tensor = expression(tree, tensors, names), is_tensor(tree, tensors)
        alias = isinstance(tree, str) and on_tensor and target != "param"
        loop.append(f"{names[target]} = {text}.clone()" if alias else f"{names[target]} = {text}")
        tensors[target] = on_tensor
    last = dict(config["update"])
    for key in config["state"]:
        new = names[key] if tensors[key] else f"torch.full_like(weight, {names[key]})"
        if tensors[key] is None or last[key][0] == "where":  # perhaps the weight itself, which is about to change
            new = f"mixed_state({names[key]}, weight)"
        loop.append(f"state[{literal(key)}] = {new}")
    loop.append("weight.copy_(param)")
    body = [*(["generator = None"] if noisy else [])]
    body += [f"{names[key]} = {literal(float(value))}" for key, value in config["hyperparameters"].items()]
    per_group = ['lr = float(group["lr"])', block('for weight in group["params"]:', loop)]
    body += ["with torch.enable_grad():", "    loss = closure() if closure is not None else None"]
    body += [block("for group in self.param_groups:", per_group), "return loss"]
    init = block("def __init__(self, params, lr):", ['super().__init__(params, {"lr": lr})'])
    step = block("@torch.no_grad()\ndef step(self, closure=None):", body)
    return block(f"class {name}(torch.optim.Optimizer):", [init, "", step])
