"""`on_divergence: rollback` as a script has it: a moment is remembered whole, and the training goes back to it."""

from collections.abc import Iterator
from math import inf

from worker.training.optimizers import scale_learning_rates

from .code import block, literal
from .outline import Outline
from .sources import source_of

RESTORED = """optimizer.state.clear()
parameters = [p for group in optimizer.param_groups for p in group["params"]]
optimizer.state.update({p: state for p, state in zip(parameters, states) if state is not None})
kept = [group["params"] for group in optimizer.param_groups]
optimizer.param_groups[:] = [{**group, "params": own} for group, own in zip(groups, kept)]"""


def definitions(outline: Outline) -> Iterator[str]:
    if outline.rollback is not None:
        yield source_of(scale_learning_rates).replace("optim.Optimizer", "torch.optim.Optimizer")


def functions(outline: Outline) -> Iterator[str]:
    """`remember` and `go_back`, over the script's own variables."""
    if outline.rollback is None:
        return
    copies, live = list(copied(outline)), carried(outline)
    doc = '"""The whole state of the training, to come back to."""'
    states = 'states = [optimizer.state.get(p) for group in optimizer.param_groups for p in group["params"]]'
    settings = '[{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]'
    lines = [doc, states, f"groups = {settings}"]
    lines.append(f"copies = copy.deepcopy(({', '.join(text for _, text in copies)}))")
    lines.append(f"return copies, ({', '.join(live)})")
    yield from ("", block("def remember():", lines), "")
    doc = '"""The training as it was at that moment."""'
    lines = [doc, f"global {', '.join(live)}", "copies, carried = moment", f"{', '.join(live)} = carried"]
    lines.append(f"{', '.join(name for name, _ in copies)} = copy.deepcopy(copies)")
    lines += ["model.load_state_dict(weights)", *RESTORED.split("\n")]
    if outline.several:
        lines.append(block("for p, trained in zip(model.parameters(), thawed):", ["p.requires_grad_(trained)"]))
    if outline.schedulers:
        line = "scheduler.load_state_dict(schedule)"
        lines.append(block("if scheduler is not None:", [line]) if outline.several else line)
    if outline.config.training.ema_decay is not None:
        lines += ["averaged.module.load_state_dict(average)", "averaged.n_averaged.copy_(count)"]
    lines += ["scaler.load_state_dict(scale)"] * outline.scaled
    lines += ["drawn[:] = others"] * outline.in_pieces
    lines += ["losses[:] = tested"] * outline.range_test
    lines.append("torch.set_rng_state(random)")
    lines += ["torch.cuda.set_rng_state(random_cuda)"] * outline.cuda
    yield from ("", block("def go_back(moment):", lines), "")


def copied(outline: Outline) -> Iterator[tuple[str, str]]:
    """What is copied, under which name and from where."""
    yield "weights", "model.state_dict()"
    yield "states", "states"
    yield "groups", "groups"
    if outline.several:
        yield "thawed", "[p.requires_grad for p in model.parameters()]"
    if outline.schedulers:
        yield "schedule", "scheduler and scheduler.state_dict()" if outline.several else "scheduler.state_dict()"
    if outline.config.training.ema_decay is not None:
        yield "average", "averaged.module.state_dict()"
        yield "count", "averaged.n_averaged"
    if outline.scaled:
        yield "scale", "scaler.state_dict()"
    if outline.in_pieces:
        yield "others", "drawn"
    if outline.range_test:
        yield "tested", "losses"
    yield "random", "torch.get_rng_state()"
    if outline.cuda:
        yield "random_cuda", "torch.cuda.get_rng_state()"


def carried(outline: Outline) -> list[str]:
    """The script's variables that go back as they are."""
    names = ["epoch", *["step"] * outline.counts_steps]
    names += ["optimizer", "scheduler", "phase", "by_step", "monitor"] if outline.several else []
    names += ["best", "waited"] * (outline.config.training.early_stopping is not None)
    names += ["record", "best_weights"] * outline.keeps_best
    return names + ["recent", "seen"] * bool(outline.logged)


def training(outline: Outline, epoch: list[str]) -> Iterator[str]:
    """The loop, which may go back; the rows beyond that moment are lost."""
    yield f"epoch, times, lowest, rows = 0, 0, {literal(inf)}, {{}}"
    yield from ["factors = {}  # by phase: of the rates that it begins with"] * outline.several
    yield "moment = remember()"
    yield block(f"while {outline.goes_on}:", ["epoch += 1", *epoch])
    yield block("for (kind, _), row in rows.items():", ["show(row, kind)" if outline.tells_all else "show(row)"])
    message = 'f"the training loss is no longer finite in epoch {epoch}"'
    yield block(f"if not {outline.finite('total')}:", [f"raise SystemExit({message})"])


def diverged(outline: Outline) -> Iterator[str]:
    """Back to the end of the newest sound epoch, with smaller rates."""
    rollback = outline.rollback or {}
    lines = [block(f"if times == {rollback.get('max_times', 3)}:", ["break"]), "times += 1"]
    schedule, factor = "scheduler" if outline.schedulers else "None", literal(rollback.get("lr_factor", 0.5))
    scaled = f"scale_learning_rates(optimizer, {schedule}, {factor})"
    if outline.several:
        lines += ["was_in = phase", "go_back(moment)", block("if phase == was_in:", [scaled])]
        lines.append(block("else:", [f"factors[was_in] = factors.get(was_in, 1.0) * {factor}"]))
    else:
        lines += ["go_back(moment)", scaled]
    lines += ['rows = {key: row for key, row in rows.items() if row["epoch"] <= epoch}']
    lines += ["total = 0.0"] * (outline.last_epoch is not None) + ["moment = remember()", "continue"]
    yield block(f"if not {outline.finite('total')}:", lines)


def entered(outline: Outline) -> list[str]:
    """A phase that the training went back before begins with smaller rates."""
    if outline.rollback is None:
        return []
    schedule = "scheduler" if outline.schedulers else "None"
    return [block("if phase in factors:", [f"scale_learning_rates(optimizer, {schedule}, factors[phase])"])]


def remembered(outline: Outline) -> Iterator[str]:
    """A sound epoch is one whose loss is at most twice the lowest."""
    if outline.rollback is not None:
        lines = ['lowest = min(row["train_loss"], lowest)', "moment = remember()"]
        yield block('if row["train_loss"] <= lowest + abs(lowest):', lines)
