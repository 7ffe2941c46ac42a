"""The training loop as lines: what a person would write for this job, and no more."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from worker.training.config import Config
from worker.training.schedules.range_test import GIVEN_WAY
from worker.training.seeds import STRIDE

from . import augment
from .code import block, literal
from .losses import LossSource, MetricSource


@dataclass
class Loop:
    """What decides how the loop looks."""

    config: Config
    loss: LossSource | None  # None: a Function
    metrics: MetricSource
    closure: bool = False
    sparse: bool = False
    lengths: bool = False
    weights: bool = False
    pixels: bool = False  # uint8 inputs
    validation: bool = False
    mixes: bool = False
    bucket: bool = False
    phases: list[list[str]] = field(default_factory=list)  # what each phase begins with, where there are several

    @property
    def function(self) -> bool:
        return self.loss is None

    @property
    def cuda(self) -> bool:
        return self.config.device != "cpu"

    @property
    def intervals(self) -> set[str]:
        return {(p.scheduler.get("interval") or "epoch") for p in self.config.phases if p.scheduler is not None}

    @property
    def range_test(self) -> bool:
        return any(p.scheduler and p.scheduler["type"] == "RangeTest" for p in self.config.phases)

    # --- pieces

    def load(self, index: str, part: str = "train_") -> Iterator[str]:
        """A batch's tensors."""
        yield f"x, y = {part}inputs[{index}], {part}targets[{index}]"
        for key, name, wanted in (("lengths", "length", self.lengths), ("weights", "w", self.weights)):
            if wanted:
                yield f"{name} = {part}{key}[{index}]"

    def fields(self) -> str:
        extra = [", length"] * self.lengths + [", w"] * self.weights + [", other, share"] * self.mixes
        return "x, y" + "".join(extra)

    def forward(self, model: str = "model", mixed: bool = False) -> Iterator[str]:
        """Outputs and loss."""
        if self.loss is None:
            yield "loss = model()"
            return
        x = "x.float()" if self.pixels and not (mixed and self.config.augment) else "x"
        lines = [f"outputs = {model}({x}, length)" if self.lengths else f"outputs = {model}({x})"]
        lines.append(f"loss = {self.loss.of('y')}")
        if mixed and self.mixes:
            lines.append(f"loss = share * loss + (1 - share) * {self.loss.of('other')}")
        precision = self.config.training.precision
        if precision == "float32":
            yield from lines
        else:
            yield block(f"with torch.autocast({literal(self.config.device)}, dtype=torch.{precision}):", lines)

    def backward(self, several: bool) -> Iterator[str]:
        l1 = self.config.training.l1
        if l1:
            yield f"loss = loss + {l1} * sum(p.abs().sum() for p in model.parameters() if p.requires_grad)"
        loss = "(loss / len(window))" if several else "loss"
        yield f"scaler.scale({loss}).backward()" if self.scaled else f"{loss}.backward()"

    @property
    def scaled(self) -> bool:
        return self.config.training.precision == "float16"

    def count(self) -> Iterator[str]:
        """What the row needs of a batch."""
        if self.function:
            yield "total, samples = loss.item(), 1"
        else:
            yield "total, samples = total + loss.item() * len(x), samples + len(x)"
        yield from self.metrics.count()
        if self.range_test:
            yield "losses.append(loss.item())"

    def clip(self) -> Iterator[str]:
        """Unscale, measure and clip: between the gradients and the step."""
        clip = self.config.training.clip
        if self.scaled:
            yield "scaler.unscale_(optimizer)"
        if self.function:
            seen = ["before = {name: p.item() for name, p in model.named_parameters()}"]
            seen.append(
                "gradients = {name: 0.0 if p.grad is None else p.grad.item() for name, p in model.named_parameters()}"
            )
            yield from [block("if first:", seen)] if self.closure else seen
        if self.sparse:
            yield from self._clip_sparse(clip)
        elif clip is None:
            if self.closure:
                yield f"norm = nn.utils.get_total_norm({GRADIENTS})"
        elif clip["type"] == "norm":
            yield f"norm = nn.utils.clip_grad_norm_(model.parameters(), {literal(clip['max_norm'])})"
        else:
            yield f"norm = nn.utils.get_total_norm({GRADIENTS})"
            yield f"nn.utils.clip_grad_value_(model.parameters(), {literal(clip['clip_value'])})"

    def _clip_sparse(self, clip: dict[str, Any] | None) -> Iterator[str]:
        if clip is None:
            log = self.config.training.log_every_steps, self.config.training.validate_every_steps
            due = ["done == len(batches)", *(f"(step + 1) % {every} == 0" for every in log if every)]
            yield block(f"if {' or '.join(due)}:", ["norm = nn.utils.get_total_norm(dense_gradients())"])
            return
        yield "gradients = dense_gradients()"
        yield "norm = nn.utils.get_total_norm(gradients)"
        if clip["type"] == "norm":
            factor = f"torch.clamp({literal(clip['max_norm'])} / (norm + 1e-6), max=1.0)"
            yield f"torch._foreach_mul_(gradients, {factor})"
        else:
            value = literal(clip["clip_value"])
            yield f"torch._foreach_clamp_min_(gradients, -{value})"
            yield f"torch._foreach_clamp_max_(gradients, {value})"

    @property
    def norm_afterwards(self) -> bool:
        """Whether the last gradients still stand, as they were, at the epoch's end."""
        return not (self.sparse or self.closure or self.config.training.clip)

    def update(self) -> Iterator[str]:
        """From a window of batches to one step of the optimizer."""
        accumulate = self.config.training.accumulate_steps > 1 and not self.function
        zero = "model.zero_grad()" if self.phases else "optimizer.zero_grad()"
        augmented = list(augment.lines(self.config.augment))
        if augmented and self.pixels:
            augmented.insert(0, "x = x.float()")
        load = [] if self.function else [*self.load("batch"), *augmented]
        if not self.closure:
            one = [*load, *self.forward(mixed=True), *self.backward(accumulate), *self.count()]
            yield zero
            if accumulate:
                yield block("for batch in window:", one)
            else:
                yield from one
            yield from self.clip()
            yield from ("scaler.step(optimizer)", "scaler.update()") if self.scaled else ("optimizer.step()",)
            return
        inside = [*self.forward(mixed=True), *self.backward(accumulate)]
        seen = block("if first:", list(self.count()))
        if accumulate:
            yield "loaded = []"
            yield block("for batch in window:", [*load, f"loaded.append(({self.fields()}))"])
            inside = [
                "mean = 0.0",
                block(f"for {self.fields()} in loaded:", [*inside, seen, "mean = mean + loss.detach() / len(window)"]),
            ]
        else:
            yield from load
            inside.append(seen)
        clip = list(self.clip())
        measured = [line.replace("norm = ", "measured = ", 1) for line in clip]
        state = "total, samples, norm, first" + (f", {self.metrics.counters}" if self.metrics.hits else "")
        state += ", before, gradients" if self.function else ""
        body = [f"global {state}", zero, *inside, *measured]
        body += ["norm, first = measured if first else norm, False", f"return {'mean' if accumulate else 'loss'}"]
        yield "first = True"
        yield ""
        yield block("def closure():", body)
        yield ""
        yield "optimizer.step(closure)"

    def after_update(self) -> Iterator[str]:
        several = bool(self.phases)
        if self.range_test:
            yield 'step_rates = [group["lr"] for group in optimizer.param_groups]'
        if "step" in self.intervals:
            yield from (GUARDED if several else ["scheduler.step()"])
        if self.config.training.ema_decay is not None:
            yield "averaged.update_parameters(model)"
        yield "step += 1"
        if self.range_test:
            yield "curve = smoothed(losses)"
            way = f"len(curve) > 1 and curve[-1] > {GIVEN_WAY} * min(curve)"
            yield block(f"if not math.isfinite(curve[-1]) or ({way}):", ["given_way = True", "break"])

    # --- the whole

    def epoch(self) -> Iterator[str]:
        """The body of the loop over epochs."""
        training = self.config.training
        for begins, lines in self._phase_starts():
            yield block(f"if epoch == {begins}:", lines)
        yield 'rates = [group["lr"] for group in optimizer.param_groups]'
        if self.config.augment:
            on = f"torch.Generator({literal(self.config.device)})" if self.cuda else "torch.Generator()"
            yield f"augmentation = {on}.manual_seed((SEED * {STRIDE:_} + epoch + 2**31) % 2**32)"
        yield "total, samples = 0.0, 0"
        yield from self.metrics.reset()
        body = [*self.update(), *self.after_update()]
        if self.function:
            yield from body
        else:
            yield from self.batches()
            if training.accumulate_steps > 1:
                window = f"window = batches[start : start + {training.accumulate_steps}]"
                first = [window]
                if self.sparse:
                    first.append("done = start + len(window)")
                yield block(f"for start in range(0, len(batches), {training.accumulate_steps}):", [*first, *body])
            elif self.sparse:
                yield block("for done, batch in enumerate(batches, start=1):", body)
            else:
                yield block("for batch in batches:", body)
        if self.range_test:
            whole = "step % steps_per_epoch == 0"
            yield block(f"if given_way and not ({whole}):", ["break  # inside an epoch, which has no row then"])
        yield from self.end()

    def batches(self) -> Iterator[str]:
        training = self.config.training
        if training.shuffle:
            yield f"generator = torch.Generator().manual_seed((SEED * {STRIDE:_} + epoch) % 2**32)"
            yield "order = torch.randperm(len(train_inputs), generator=generator)"
        else:
            yield "order = torch.arange(len(train_inputs))"
            if self.bucket:
                yield f"generator = torch.Generator().manual_seed((SEED * {STRIDE:_} + epoch) % 2**32)"
        if self.bucket and self.lengths:
            yield "order = torch.cat([w[train_lengths[w].argsort(stable=True)] for w in order.split(BATCH_SIZE * 100)])"
        yield "batches = order.split(BATCH_SIZE)"
        if training.drop_last:
            yield block("if len(batches[-1]) < BATCH_SIZE:", ["batches = batches[:-1]"])
        if self.bucket:
            yield "batches = [batches[i] for i in torch.randperm(len(batches), generator=generator)]"

    def _phase_starts(self) -> Iterator[tuple[int, list[str]]]:
        begins = 1
        for phase, lines in zip(self.config.phases, self.phases, strict=False):
            yield begins, lines
            begins += phase.epochs

    def end(self) -> Iterator[str]:
        """The row, the epoch's step of the schedule, whether to stop."""
        training = self.config.training
        if training.on_divergence != "continue" and not self.range_test:
            message = 'f"the training loss is no longer finite in epoch {epoch}"'
            yield block("if not math.isfinite(total):", [f"raise SystemExit({message})"])
        if self.norm_afterwards:
            yield f"norm = nn.utils.get_total_norm({GRADIENTS})"
        values = {"epoch": "epoch", "phase": "phase" if self.phases else "0", "step": "step"}
        values |= {"train_loss": "total / samples", "validation_loss": "None"}
        values |= {"metrics": self.metrics.result("train", "samples"), "learning_rates": "rates"}
        values |= {"gradient_norm": "norm.item()", "samples": "samples"}
        yield "row = {"
        yield from (f'    "{key}": {value},' for key, value in values.items())
        yield "}"
        if self.validation:
            more = ", ".join(f"validation_{part}" for part in self.parts())
            if self.metrics.hits:
                yield f'row["validation_loss"], metrics = evaluate(model, {more})'
                yield 'row["metrics"] |= metrics'
            else:
                yield f'row["validation_loss"] = evaluate(model, {more})'
            if training.ema_decay is not None:
                place = "[0]" if self.metrics.hits else ""
                yield f'row["ema_validation_loss"] = evaluate(averaged.module, {more}){place}'
        if self.function:
            yield 'row |= {"parameters": before, "gradients": gradients}'
        yield "show(row)"
        yield from self.step_by_epoch()
        yield from self.stop()

    def parts(self) -> list[str]:
        return ["inputs", "targets", *["lengths"] * self.lengths, *["weights"] * self.weights]

    def step_by_epoch(self) -> Iterator[str]:
        if "epoch" not in self.intervals:
            return
        kinds = {(phase.scheduler or {}).get("type") for phase in self.config.phases}
        if not self.phases:
            scheduler = self.config.phases[0].scheduler or {}
            plateau = scheduler["type"] == "ReduceLROnPlateau"
            yield f"scheduler.step({watched(scheduler['monitor'])})" if plateau else "scheduler.step()"
            return
        if "ReduceLROnPlateau" not in kinds:
            yield block("if scheduler is not None and not by_step:", ["scheduler.step()"])
            return
        values = '{**row, **row["metrics"]}[monitor]'
        yield block("if monitor is not None:", [f"scheduler.step({values})"])
        yield block("elif scheduler is not None and not by_step:", ["scheduler.step()"])

    def stop(self) -> Iterator[str]:
        early = self.config.training.early_stopping
        if early is not None:
            value = watched(early.get("monitor") or "validation_loss")
            delta = early.get("min_delta") or 0.0
            compared = (
                f"< best - {literal(delta)}" if (early.get("mode") or "min") == "min" else f"> best + {literal(delta)}"
            )
            if not delta:
                compared = compared.partition(" best")[0] + " best"
            yield block(
                f"if not math.isnan({value}) and (best is None or {value} {compared}):", [f"best, waited = {value}, 0"]
            )
            yield block("else:", ["waited += 1"])
            yield block(f"if waited >= {early.get('patience', 10)}:", ["break"])
        if self.range_test:
            yield block("if given_way:", ["break"])

    def evaluate(self) -> str:
        """The function that measures the validation part."""
        arguments = ", ".join(["model", *self.parts()])
        body = [*self.load("start : start + BATCH_SIZE", ""), *self.forward(), "total += loss.item() * len(x)"]
        body += self.metrics.count()
        loop = block("for start in range(0, len(inputs), BATCH_SIZE):", body)
        result = "return total / len(inputs)"
        if self.metrics.hits:
            result += f", {self.metrics.result('validation', 'len(inputs)')}"
        start = "\n".join(["total = 0.0", *self.metrics.reset()])
        doc = '"""The mean loss of a part, in eval mode and in its own order."""'
        return block(
            f"@torch.no_grad()\ndef evaluate({arguments}):", [doc, "model.eval()", start, loop, "model.train()", result]
        )


GUARDED = ["if scheduler is not None and by_step:", "    scheduler.step()"]
GRADIENTS = "[p.grad for p in model.parameters() if p.grad is not None]"
DENSE = '''def dense_gradients():
    """The gradients to be measured and clipped: of a sparse one its values, each row once."""
    found = [p for p in model.parameters() if p.grad is not None]
    for p in found:
        if p.grad.is_sparse:
            p.grad = p.grad.coalesce()
    return [p.grad._values() if p.grad.is_sparse else p.grad for p in found]'''


def watched(monitor: str) -> str:
    """Where a monitored value stands in the row."""
    return f'row["{monitor}"]' if monitor.endswith("_loss") else f'row["metrics"][{literal(monitor)}]'
